# SPDX-License-Identifier: BSD-3-Clause
"""flotilla compare, checked against NumPy pair by pair."""

import json
import shutil
import unittest

import h5py
import numpy as np

from flotilla_tools.torch_flows.flow import Flow, save_flow
from flotilla_tools.torch_flows.layers import DiagonalAffine, Sigmoid
from flotilla_tools.toys import toy_set
from flotilla_tools.hdf5_files import attributes_of
from program import MOONS, ProgramTest, run

POINTS = 300
NEIGHBOURS = 5


def distances(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def between_different(matrix):
    """The mean over pairs of different points."""
    count = len(matrix)
    return (matrix.sum() - np.trace(matrix)) / (count * (count - 1))


def expected_measures(reference, sample, quantile_modes):
    cross, own, other = (
        distances(reference, sample), distances(reference, reference), distances(sample, sample)
    )
    bandwidth = np.sort((own**2)[np.tril_indices(len(own), -1)])[len(own) * (len(own) - 1) // 4]
    kernel = lambda d: np.exp(-(d**2) / (2 * bandwidth))
    radii = np.sort(own, axis=1)[:, NEIGHBOURS]
    sample_radii = np.sort(other, axis=1)[:, NEIGHBOURS]
    inside = cross <= radii[:, None]
    points, labels = quantile_modes[:, :-1], quantile_modes[:, -1]
    mode = labels[distances(sample, points).argmin(axis=1)]
    return {
        "energy_distance": 2 * cross.mean() - between_different(own) - between_different(other),
        "mmd": between_different(kernel(own)) + between_different(kernel(other))
        - 2 * kernel(cross).mean(),
        "precision": inside.any(axis=0).mean(),
        "recall": (cross <= sample_radii[None]).any(axis=1).mean(),
        "density": inside.sum() / (NEIGHBOURS * len(sample)),
        "coverage": inside.any(axis=1).mean(),
        "modes": [(mode == k).mean() for k in range(2)],
    }


class Compare(ProgramTest):
    def setUp(self):
        super().setUp()
        toy = toy_set("two_moons")
        angle = np.pi * np.linspace(0, 1, 100)
        arcs = [
            toy.centres[k] + toy.sides[k] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            for k in range(2)
        ]
        self.modes = np.concatenate(
            [np.column_stack([arc, np.full(100, float(k))]) for k, arc in enumerate(arcs)]
        )
        self.truth = toy.sample(2000, np.random.default_rng(2))
        self.data = self.path("data.h5")
        with h5py.File(self.data, "w") as file:
            file["x"], file["modes"] = self.truth, self.modes
        self.run_file = self.sample(
            "--chains", 64, "--draws", 150, "--thin", 5, "--beta", 0, "--global-fraction", 0.3
        )
        self.words = [self.run_file, "--reference", self.data + ":x", "--points", POINTS]

    def compare(self, *arguments, ranks=None):
        done = run("compare", *arguments, "--json", ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    @staticmethod
    def compared(values):
        """The compared draws of [chain x draw ...]: chains in turn, each a little later."""
        chains, draws = values.shape[:2]
        turns = -(-POINTS // chains)
        chosen = [
            (c % chains, (c // chains * draws + c % chains * draws // chains) // turns)
            for c in range(POINTS)
        ]
        assert len(set(chosen)) == POINTS
        return np.array([values[place] for place in chosen])

    def test_measures_are_those_of_every_pair(self):
        found = self.compare(*self.words, "--modes", self.data + ":modes")
        self.assertEqual(found["points"], POINTS)
        with h5py.File(self.run_file) as file:
            x = file["posterior/x"][()].astype(float)
        step = len(self.truth) // 2 // POINTS * 2
        reference = self.truth[::step][:POINTS]
        sets = {
            "run": self.compared(x),
            "reference": self.truth[1::step][:POINTS],
        }
        compared = 0
        for name, sample in sets.items():
            for measure, value in expected_measures(reference, sample, self.modes).items():
                if measure == "modes":
                    weights = [one["value"] for one in found[name]["modes"]]
                    np.testing.assert_allclose(weights, value, atol=1e-12)
                else:
                    self.assertAlmostEqual(found[name][measure]["value"], value, places=8, msg=measure)
                compared += 1
        self.assertEqual(compared, 14)

    def test_the_floor_is_where_equal_distributions_are(self):
        found = self.compare(*self.words)
        # The two unbiased measures between halves of the reference are within 4 errors of zero. The
        # seed fixes all samples and resamples, so the test cannot fail by chance.
        for measure in ("energy_distance", "mmd"):
            floor = found["reference"][measure]
            self.assertLess(abs(floor["value"]), 4 * floor["error"])
        # beta = 0 samples naively: run and naive draws agree.
        for measure in ("precision", "recall", "coverage", "log_density"):
            one, other = found["run"][measure], found["naive"][measure]
            error = np.hypot(one["error"], other["error"])
            self.assertLess(abs(one["value"] - other["value"]), 4 * error + 1e-9, measure)
        for measure in ("precision", "coverage"):
            self.assertGreater(found["reference"][measure]["value"], 0.9)
        self.assertLess(found["reference"]["sliced_wasserstein"]["value"], 0.15)

    def test_a_sample_that_is_elsewhere_is_far(self):
        with h5py.File(self.data, "r+") as file:
            file["moved"] = self.truth + [10.0, 0.0]
        found = self.compare(self.run_file, "--reference", self.data + ":moved", "--points", POINTS)
        self.assertEqual(found["run"]["precision"]["value"], 0.0)
        self.assertEqual(found["run"]["coverage"]["value"], 0.0)
        # In the plane, a shift s has the mean square s^2 / 2 along random directions.
        self.assertAlmostEqual(found["run"]["sliced_wasserstein"]["value"], 10 / 2**0.5, delta=0.7)
        self.assertGreater(found["run"]["energy_distance"]["value"], 10)

    def test_log_density_is_the_flows(self):
        compared = 0
        for words in (["--beta", 0.5], ["--target", "clipped", "--beta", 2]):
            path = self.sample("--chains", 64, "--draws", 30, *words, "--force")
            found = self.compare(path, *self.words[1:])
            with h5py.File(path) as file:
                lp, l = (
                    file["sample_stats"][name][()] for name in ("lp", "log_det_jacobian")
                )
                facts = attributes_of(file)
            charge = l
            if facts["target"] == "clipped":
                k = facts["clip_sharpness"]
                charge = np.logaddexp(0, k * (l - facts["clip_level"])) / k
            learnt = lp + facts["beta"] * charge - l
            expected = self.compared(learnt)
            self.assertAlmostEqual(found["run"]["log_density"]["value"], expected.mean(), places=8)
            compared += 1
        self.assertEqual(compared, 2)
        floor = found["reference"]["below_quantile"]
        self.assertLess(abs(floor["value"] - 0.01), 4 * floor["error"] + 0.01)

    def test_log_density_does_not_suffer_from_rounded_draws(self):
        # x = sigmoid(10 z): in float, draws reach 1, where the inverse is infinite.
        flow = self.path("logit.h5")
        steep = DiagonalAffine([10.0, 10.0], [0.0, 0.0])
        save_flow(flow, Flow(2, [steep, Sigmoid()]).double(), {"made_by": "test_compare.py"})
        path = self.sample("--beta", 0, "--chains", 64, "--draws", 50, flow=flow, output="l.h5")
        with h5py.File(path) as file:
            x = file["posterior/x"][()]
            truth = np.random.default_rng(3).uniform(0.01, 0.99, size=(400, x.shape[2]))
        self.assertTrue((x == 1).any())
        with h5py.File(self.data, "r+") as file:
            file["unit"] = truth
        found = self.compare(path, "--reference", self.data + ":unit", "--points", 200)
        one, other = found["run"]["log_density"], found["naive"]["log_density"]
        self.assertLess(abs(one["value"] - other["value"]), 4 * np.hypot(one["error"], other["error"]))

    def test_is_the_same_on_any_number_of_ranks(self):
        alone = run("compare", *self.words, "--json").stdout
        for ranks in (2, 3):
            self.assertEqual(run("compare", *self.words, "--json", ranks=ranks).stdout, alone)
        table = run("compare", *self.words).stdout
        for word in ("run", "naive", "reference", "sliced Wasserstein", "coverage", "±"):
            self.assertIn(word, table)

    def held(self, truth, *arguments, path=None, code=0, ranks=None):
        """What `compare` says of a run beside true moments, as a dictionary."""
        with open(self.path("truth.toml"), "w") as file:
            file.write(truth)
        words = ["compare", path or self.run_file, "--truth", self.path("truth.toml"), *arguments]
        done = run(*words, "--json", ranks=ranks)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def normal_run(self):
        """A run of x = loc + scale z, whose moments are known; and its draws."""
        flow = self.path("normal.h5")
        words = ["--loc", "1,-2,0", "--scale", "1,3,0.5"]
        self.assertEqual(run("flow", "identity", "--dim", 3, *words, "-o", flow).returncode, 0)
        size = ["--chains", 64, "--draws", 400, "--warmup", 200, "--global-fraction", 0]
        path = self.sample(*size, flow=flow, output="normal_run.h5")
        with h5py.File(path) as file:
            return path, file["posterior/x"][()].astype(float)

    def test_moments_are_held_against_the_truth(self):
        path, x = self.normal_run()
        right = "[x]\nmean = [1, -2, 0]\nsd = [1, 3.0, 0.5]\n"
        found = self.held(right, path=path)["truth"]
        self.assertTrue(found["agrees"])
        self.assertLess(found["farthest"], 4)
        moments = {one["name"]: one for one in found["moments"]}
        self.assertEqual(len(moments), 6)
        squares = (x - x.mean(axis=(0, 1))) ** 2
        for i in range(3):
            mean, sd = moments[f"mean of x[{i}]"], moments[f"sd of x[{i}]"]
            self.assertAlmostEqual(mean["value"], x[:, :, i].mean(), places=9)
            self.assertAlmostEqual(sd["value"], x[:, :, i].std(ddof=1), places=9)
            # Chains are independent: their spread is an error that knows nothing of an ESS. Of 64
            # chains it is known to 9 %.
            for one, values in ((mean, x[:, :, i]), (sd, squares[:, :, i] / (2 * sd["value"]))):
                expected = values.mean(axis=1).std(ddof=1) / 8
                self.assertLess(abs(one["error"] / expected - 1), 0.4)
                self.assertAlmostEqual(
                    one["distance"], abs(one["value"] - one["truth"]) / one["error"], places=9
                )
        alone = self.held(right, path=path)
        self.assertEqual(self.held(right, path=path, ranks=3), alone)
        table = run("compare", path, "--truth", self.path("truth.toml")).stdout
        self.assertIn("They agree with the truth: none of 6 is more than 4 standard errors", table)

    def test_a_wrong_truth_is_a_verdict(self):
        path, _ = self.normal_run()
        told = 0
        for wrong, apart, farthest in (
            ("mean = [1, -2, 0]\nsd = [1, 3.3, 0.5]", 1, "sd of x[1]"),
            ("mean = 0", 2, "mean of x[0]"),
            ("mean = [1, nan, 0.2]", 1, "mean of x[2]"),
        ):
            found = self.held(f"[x]\n{wrong}\n", path=path, code=3)["truth"]
            self.assertFalse(found["agrees"])
            self.assertEqual(found["apart"], apart)
            worst = max(found["moments"], key=lambda one: one["distance"])
            self.assertIn(worst["name"], (farthest, "mean of x[1]"))
            self.assertEqual(worst["distance"], found["farthest"])
            told += 1
        self.assertEqual(told, 3)
        table = run("compare", path, "--truth", self.path("truth.toml"))
        self.assertIn("They do not agree with the truth: 1 of 2", table.stdout)
        # A truth that is not exact has an error of its own.
        unsure = "[x]\nmean = [1, nan, 0.2]\nmean_error = 0.1\n"
        self.assertLess(self.held(unsure, path=path)["truth"]["farthest"], 2.5)

    def test_draws_and_moments_can_both_be_true(self):
        x = self.truth
        errors = x.std(axis=0) / np.sqrt(len(x))
        moments = f"[x]\nmean = {x.mean(axis=0).tolist()}\nmean_error = {errors.tolist()}\n"
        words = [*self.words[1:], "--modes", self.data + ":modes"]
        both = json.loads(run("compare", self.run_file, *words, "--json").stdout)
        # The flow is not the toy: 2000 draws of the toy may tell the two apart or not.
        with open(self.path("truth.toml"), "w") as file:
            file.write(moments)
        done = run("compare", self.run_file, *words, "--truth", self.path("truth.toml"), "--json")
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["truth"]["agrees"] else 3)
        self.assertEqual({**found, "truth": None}, {**both, "truth": None})

    def test_a_truth_that_cannot_be_used_is_named(self):
        told = 0
        for text, expected in (
            ("", "found none"),
            ("mean = 0\n", "truth.toml:1: 'mean' should stand in the section of a variable"),
            ("[x]\nmode = 0\n", "'mode' should be mean, sd, mean_error or sd_error"),
            ("[x]\nsd = [1, -1]\n", "'sd' should be a number of at least 0"),
            ("[x]\nmean = 'zero'\n", "'mean' should be a finite number"),
            ("[x]\nmean = inf\n", "'mean' should be a finite number"),
            ("[x]\nmean = []\n", "'mean' has no number"),
            ("[x]\nmean = [0, 0, 0]\n", "should have 1 number or 2, one for each coordinate"),
            ("[theta]\nmean = 0\n", "'posterior/theta': there is no such variable"),
            ("[x]\nmean = nan\n", "none of its moments is known"),
            ("[x\nmean = 0\n", "this is no TOML"),
        ):
            with open(self.path("truth.toml"), "w") as file:
                file.write(text)
            done = run("compare", self.run_file, "--truth", self.path("truth.toml"))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(expected, done.stderr)
            told += 1
        self.assertEqual(told, 11)
        done = run("compare", self.run_file, "--truth", self.path("missing.toml"), ranks=2)
        self.assertEqual(done.returncode, 2)
        self.assertIn("missing.toml", done.stderr)

    def test_what_cannot_be_compared_is_named(self):
        with h5py.File(self.data, "r+") as file:
            file["wide"] = np.zeros((40, 3))
            file["few"] = self.truth[:10]
            file["nan"] = np.where(np.arange(4000).reshape(2000, 2) == 7, np.nan, self.truth)
            file["labels"] = np.column_stack([self.truth[:5], np.full(5, 0.5)])
            file["same"] = np.ones((40, 2))
        moved = self.path("moved.h5")
        shutil.copy(self.run_file, moved)
        with h5py.File(moved, "r+") as file:
            file.attrs["flow_file"] = self.path("gone.h5")
        nameless = self.path("nameless.h5")
        shutil.copy(self.run_file, nameless)
        with h5py.File(nameless, "r+") as file:
            del file.attrs["target"]
        partial = self.path("partial.h5")
        shutil.copy(self.run_file, partial)
        with h5py.File(partial, "r+") as file:
            del file.attrs["beta"]
        told = 0
        for words, expected in (
            ([self.run_file, "--reference", self.data + ":wide"], "found [40 x 3]"),
            ([self.run_file, "--reference", self.data + ":few"], "at least 16 rows"),
            ([self.run_file, "--reference", self.data + ":nan"], "finite"),
            ([self.run_file, "--reference", self.data + ":same"], "same point"),
            ([self.run_file, "--reference", self.data], "name one"),
            ([self.run_file], "give --reference (draws), --truth (moments)"),
            ([*self.words, "--modes", self.data + ":labels"], "number modes from 0"),
            ([*self.words, "--points", 100000], "--points should be"),
            ([*self.words, "--neighbours", 0], "--neighbours should be"),
            ([moved, *self.words[1:]], "no such file"),
            ([nameless, *self.words[1:]], "nameless.h5: it does not record its target"),
            ([partial, *self.words[1:]], "partial.h5: it does not record its beta"),
            ([*self.words, "--flow", MOONS.replace("two_moons", "three_rings")], "that was sampled"),
        ):
            for ranks in (None, 2):
                done = run("compare", *words, ranks=ranks)
                self.assertEqual(done.returncode, 2, (words, done.stdout, done.stderr))
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
                told += 1
        self.assertEqual(told, 26)


if __name__ == "__main__":
    unittest.main()
