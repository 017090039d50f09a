# SPDX-License-Identifier: BSD-3-Clause
"""Densities that come from outside: good ones draw right, faulty ones end with one sentence."""

import hashlib
import json
import os
import pathlib
import subprocess
import unittest

import h5py
import numpy as np

from flotilla_tools.plotting import study
from program import MOONS, PYTHON, SOURCE, ProgramTest, random_flow, run

EXAMPLES = pathlib.Path(os.environ["FLOTILLA_DENSITIES"])
FAULTY = os.environ["FLOTILLA_FAULTY"]
OTHER_ABI = os.environ["FLOTILLA_FAULTY_ABI"]
INCOMPLETE = os.environ["FLOTILLA_FAULTY_INCOMPLETE"]
SIZE = ["--chains", 10, "--warmup", 20, "--draws", 20]
EXPLICIT = ["--target", "explicit", "--density"]


def example(name):
    return str(EXAMPLES / f"{name}.so")


def trial_data(path):
    """Writes predictors and outcomes of 40 trials."""
    rng = np.random.default_rng(7)
    with h5py.File(path, "w") as file:
        file["a"] = rng.normal(size=(40, 2))
        file["y"] = (rng.uniform(size=40) < 0.6).astype(float)
    return path


def ours(done):
    """The program's own sentences."""
    return [line for line in done.stderr.splitlines() if line.startswith("flotilla: ")]


class FaultyDensities(ProgramTest):
    def ends(self, *words, code, says, ranks):
        """Ends with this exit code and with one sentence, on any number of ranks."""
        done = run("sample", MOONS, "-o", self.path("run.h5"), *SIZE, *words, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(len(ours(done)), 1, done.stderr)
        for word in says:
            self.assertIn(word, ours(done)[0])
        return done

    def test_libraries_that_are_none_are_refused(self):
        text = pathlib.Path(self.path("text.so"))
        text.write_text("no library")
        refusals = [
            ([self.path("missing.so")], ["missing.so", "no such file"]),
            ([self.path(".")], ["no such file"]),
            ([str(text)], ["cannot be loaded", "text.so"]),
            ([OTHER_ABI], ["version 2", "has version 1", "build it again"]),
            ([INCOMPLETE], ["no function flotilla_log_density_evaluate"]),
            ([FAULTY, "--density-args", "dim"], ["3 coordinates", "the flow has 2"]),
            ([FAULTY, "--density-args", "negative-dim"], ["is -1"]),
            ([FAULTY, "--density-args", "refuse"], ["'refuse'", "no such data"]),
            ([FAULTY, "--density-args", "refuse-silently"], ["without a reason"]),
            ([FAULTY, "--density-args", "throw-open"], ["threw an exception (thrown on purpose)"]),
            ([FAULTY, "--density-args", "crash-open"], ["crashed as it was opened"]),
            ([FAULTY, "--density-args", "nan"], ["no starting point", "verify faulty.so"]),
        ]
        tried = 0
        for words, says in refusals:
            for ranks in (None, 3) if tried in (3, 7, 10) else (None,):
                with self.subTest(words=words, ranks=ranks):
                    done = self.ends(*EXPLICIT, *words, code=2, says=says, ranks=ranks)
                    self.assertEqual(done.stdout, "")
                    self.assertFalse(os.path.exists(self.path("run.h5")))
            tried += 1
        self.assertEqual(tried, len(refusals))

    def test_what_fails_in_mid_run_ends_every_rank(self):
        failures = [
            ("fail", ["faulty.so: flotilla_log_density_evaluate failed with 7: out of luck"]),
            ("throw", ["threw an exception (thrown on purpose)"]),
            ("crash", ["faulty.so: the density crashed in mid-run"]),
        ]
        tried = 0
        for fault, says in failures:
            for ranks in (None, 2):
                with self.subTest(fault=fault, ranks=ranks):
                    words = [*EXPLICIT, FAULTY, "--density-args", fault, "--force", "--quiet"]
                    self.ends(*words, code=1, says=says, ranks=ranks)
                    tried += 1
        self.assertEqual(tried, 6)

    def test_a_density_is_asked_for_exactly_where_it_is_needed(self):
        done = run("sample", MOONS, "-o", self.path("run.h5"), "--target", "posterior")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--target posterior needs a density", done.stderr)
        done = run("sample", MOONS, "-o", self.path("run.h5"), "--density", FAULTY)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--density is for --target explicit, posterior", done.stderr)

    def test_one_that_prints_leaks_a_thread_or_is_slow_runs_all_the_same(self):
        size = ["--chains", 2, "--warmup", 1, "--draws", 2, "--tile-width", 32, "--quiet"]
        tried = 0
        for fault in ("print", "thread", "slow"):
            with self.subTest(fault=fault):
                words = [*EXPLICIT, FAULTY, "--density-args", fault, "--force"]
                done = run("sample", MOONS, "-o", self.path("run.h5"), *size, *words)
                self.assertEqual(done.returncode, 0, done.stderr)
                tried += 1
        self.assertEqual(tried, 3)


class Check(ProgramTest):
    def check(self, *words, code):
        done = run("density", "check", *words, "--json")
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        found = json.loads(done.stdout)
        self.assertEqual(found["passed"], code == 0)
        return {row["name"]: (row["verdict"], row["sentence"]) for row in found["findings"]}, found

    def test_it_finds_what_is_wrong(self):
        faults = [
            ("gradient", "gradient", "coordinate 1 at point 0"),
            ("count", "repeats", "not a function of x"),
            ("batch", "batches", "alone"),
            ("nan", "values", "none of 64 points"),
        ]
        for fault, name, says in faults:
            with self.subTest(fault=fault):
                words = [FAULTY, "--density-args", fault, "--dim", 3]
                findings, _ = self.check(*words, code=3)
                self.assertEqual(findings[name][0], "FAILED")
                self.assertIn(says, findings[name][1])

    def test_it_notes_what_is_odd(self):
        for fault, name, says in (
            ("print", "output", "bytes"),
            ("thread", "threads", "1 of its threads"),
            ("slow", "cost", "s a point"),
        ):
            with self.subTest(fault=fault):
                words = [FAULTY, "--density-args", fault, "--dim", 3, "--draws", 4]
                findings, _ = self.check(*words, code=0)
                self.assertEqual(findings[name][0], "note")
                self.assertIn(says, findings[name][1])

    def test_every_example_passes(self):
        free = ["--dim", 5]
        arguments = {
            "banana": free,
            "eight_schools": ["--density-args", "centred"],
            "funnel": free,
            "gaussian_mixture": free,
            "logistic_regression": ["--density-args", trial_data(self.path("data.h5"))],
            "phi4": [*free, "--density-args", "-1,0.5"],
        }
        self.assertEqual({path.stem for path in EXAMPLES.glob("*.so")}, set(arguments))
        for name, words in arguments.items():
            with self.subTest(example=name):
                findings, found = self.check(example(name), *words, code=0)
                self.assertGreater(found["seconds_per_point"], 0)
                self.assertEqual(findings["gradient"][0], "ok")
                self.assertLess(found["seconds_per_point"], 1e-3)

    def test_it_takes_points_and_a_flow(self):
        with h5py.File(self.path("points.h5"), "w") as file:
            file["x"] = np.random.default_rng(1).normal(size=(7, 4))
        _, found = self.check(example("funnel"), "--points", self.path("points.h5"), code=0)
        self.assertEqual((found["points"], found["dim"]), (7, 4))
        self.assertIsNone(found["flow_seconds_per_point"])
        _, found = self.check(example("funnel"), "--flow", MOONS, code=0)
        self.assertEqual((found["points"], found["dim"]), (64, 2))
        self.assertGreater(found["flow_seconds_per_point"], 0)
        done = run("density", "check", example("funnel"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("--dim", done.stderr)

    def test_it_crashes_with_a_sentence(self):
        done = run("density", "check", FAULTY, "--density-args", "crash-open")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(ours(done)), 1)


class ExactDraws(ProgramTest):
    SIZE = ["--chains", 64, "--warmup", 200, "--draws", 300]

    def test_derived_outputs_stand_beside_x_under_their_names(self):
        flow = random_flow(self.path("flow.h5"), "--dim", 10, "--layers", 2, "--widths", 8)
        words = ["--target", "explicit", "--density", example("eight_schools")]
        path = self.sample(*self.SIZE, *words, flow=flow)
        with h5py.File(path, "r") as file:
            x = file["posterior/x"][()].astype(float)
            np.testing.assert_allclose(file["posterior/tau"][()], np.exp(x[:, :, 1]), rtol=1e-12)
            theta = x[:, :, :1] + np.exp(x[:, :, 1:2]) * x[:, :, 2:]
            self.assertEqual(file["posterior/theta"].shape, (64, 300, 8))
            np.testing.assert_allclose(file["posterior/theta"][()], theta, rtol=1e-12)
            self.assertEqual(len(file["posterior/theta_dim_0"]), 8)
            facts = dict(file.attrs)
            self.assertEqual(facts["target"].decode(), "explicit")
            self.assertEqual(facts["beta"], 1.0)
            self.assertEqual(facts["density"].decode(), example("eight_schools"))
            self.assertTrue(facts["density_checksum"].decode().startswith("sha256:"))
            self.assertEqual(facts["density_args"].decode(), "")

    def mixture(self, flow, half_distance, *words, code=0):
        """A run of two modes: is it converged, is it right, and its ESS per gradient."""
        truth = self.path("mixture.toml")
        with open(truth, "w") as file:
            sd = [(1 + 0.84 * half_distance**2) ** 0.5, 1.0]
            file.write(f"[x]\nmean = [{0.4 * half_distance}, 0.0]\nsd = {sd}\n")
        density = ["--density", example("gaussian_mixture"), "--density-args", half_distance]
        path = self.sample("--target", "explicit", *density, "--force", *words, flow=flow)
        judged = run("summary", path, "--strict", "--json")
        converged = {0: True, 3: False}[judged.returncode]
        held = run("compare", path, "--truth", truth, "--json")
        right = {0: True, 3: False}[held.returncode]
        self.assertEqual(json.loads(held.stdout)["truth"]["agrees"], right)
        return converged, right, json.loads(judged.stdout)

    def test_a_bad_flow_draws_right_and_pays(self):
        bad = random_flow(self.path("bad.h5"), "--dim", 2, "--layers", 4, "--widths", 16)
        good = self.path("good.h5")
        shape = ["--loc", "0.8,0", "--scale", "2.1,1"]  # of the mixture
        self.assertEqual(run("flow", "identity", "--dim", 2, *shape, "-o", good).returncode, 0)
        size = ["--chains", 128, "--warmup", 300, "--draws", 500, "--thin", 6]
        price = {}
        for flow in (bad, good):
            converged, right, found = self.mixture(flow, 2, *size)
            self.assertTrue(converged, found["hints"])
            self.assertTrue(right)
            price[flow] = found["sampling"]["ess_per_gradient"]
        self.assertGreater(price[bad], 0.01)
        self.assertGreater(price[good], 1.5 * price[bad])

    def test_a_mode_that_a_flow_has_not_learnt_is_seen_from_spread_starts_alone(self):
        flow = self.path("half.h5")  # it knows the mode at 5, and nothing of the one at -5
        self.assertEqual(run("flow", "identity", "--dim", 2, "--loc", "5,0", "-o", flow).returncode, 0)
        with h5py.File(self.path("spread.h5"), "w") as file:
            file["x"] = np.random.default_rng(2).normal(size=(64, 2)) * [6, 1]
        size = ["--chains", 64, "--warmup", 200, "--draws", 400]
        converged, right, found = self.mixture(flow, 5, *size, "--start", self.path("spread.h5:x"))
        self.assertFalse(converged)
        rhat = {one["name"]: one["rhat"] for one in found["quantities"]}
        self.assertGreater(rhat["x[0]"], 1.5)
        # From the base density no chain finds the other mode: chains agree, and only the truth tells.
        converged, right, found = self.mixture(flow, 5, *size)
        self.assertTrue(converged, found)
        self.assertFalse(right)

    def test_a_study_over_densities_has_a_picture(self):
        flow = self.path("nothing.h5")
        self.assertEqual(run("flow", "identity", "--dim", 2, "-o", flow).returncode, 0)
        with open(self.path("banana.toml"), "w") as file:
            file.write("[x]\nmean = 0\nsd = [1, 3]\n")  # s = 1, b = 2
        names = ["banana", "gaussian_mixture"]
        with open(self.path("densities.toml"), "w") as file:
            file.write(
                '[sample]\ntarget = "explicit"\nchains = 64\nwarmup = 60\ndraws = 60\n'
                f'flow = "{flow}"\n[list]\ndensity = {[example(name) for name in names]}\n'
                'density_args = ["1,2", "0"]\n'
                f'compare_truth = ["{self.path("banana.toml")}", "{self.path("normal.toml")}"]\n'
                '[grid]\nkernel = ["mala", "ghmc"]\n'
            )
        with open(self.path("normal.toml"), "w") as file:
            file.write("[x]\nmean = 0\nsd = 1\n")  # both modes at 0
        output = pathlib.Path(self.path("densities.h5"))
        done = run("study", self.path("densities.toml"), "-o", output, "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        panels = np.array(study.draw_study(output)[-1].axes).reshape(2, 2)
        self.assertEqual([panel.get_title("left") for panel in panels[0]], names)
        self.assertEqual(panels[1, 0].get_legend_handles_labels()[1], ["mala", "ghmc"])
        drawn = [line.get_ydata()[0] for line in panels[1, 1].lines]
        self.assertTrue(np.isfinite(drawn).all())
        self.assertIn(4, drawn)  # the line of what agrees

    def test_summary_shows_what_was_derived(self):
        flow = random_flow(self.path("flow.h5"), "--dim", 10, "--layers", 2, "--widths", 8)
        words = ["--target", "explicit", "--density", example("eight_schools")]
        path = self.sample("--chains", 8, "--draws", 20, *words, flow=flow)
        done = run("summary", path, "--csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
        for name in ("x[9]", "mu", "tau", "theta[7]", "lp"):
            self.assertIn(name, names)

    def test_a_ring_has_the_moments_of_its_transfer_matrix(self):
        script = str(SOURCE / "scripts" / "phi4_truth.py")
        ring = ["--sites", "8", "--m2", "-1", "--coupling", "0.5", "-o", self.path("ring.toml")]
        done = subprocess.run([PYTHON, script, *ring], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.rsplit(None, 1) for line in done.stdout.splitlines()]
        truth = {name.strip(): float(value) for name, value in rows}
        flow = self.path("flow.h5")
        self.assertEqual(run("flow", "identity", "--dim", 8, "-o", flow).returncode, 0)
        words = ["--target", "explicit", "--density", example("phi4"), "--density-args", "-1,0.5"]
        size = ["--chains", 128, "--warmup", 300, "--draws", 400, "--global-fraction", 0]
        path = self.sample(*size, *words, flow=flow)
        done = run("compare", path, "--truth", self.path("ring.toml"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("none of 20", done.stdout)  # x[0] to x[7] and magnetisation have an sd too
        with h5py.File(path, "r") as file:
            x = file["posterior/x"][()].astype(float)
        for name, values in (
            ("<x^2>", (x**2).mean(axis=2)),
            ("<x^4>", (x**4).mean(axis=2)),
            ("susceptibility", x.sum(axis=2) ** 2 / 8),
        ):
            by_chain = values.mean(axis=1)
            error = by_chain.std(ddof=1) / np.sqrt(len(by_chain))
            self.assertLess(error, 0.05 * truth[name])
            self.assertLess(abs(by_chain.mean() - truth[name]) / error, 4, name)

    def test_the_moments_of_a_free_ring_are_those_of_its_waves(self):
        script = str(SOURCE / "scripts" / "phi4_truth.py")
        ring = ["--sites", "8", "--m2", "0.5", "--coupling", "1e-9"]
        done = subprocess.run([PYTHON, script, *ring], capture_output=True, text=True, timeout=60)
        found = [float(line.split()[-1]) for line in done.stdout.splitlines()]
        stiffness = 0.5 + 4 * np.sin(np.pi * np.arange(8) / 8) ** 2
        square = (1 / stiffness).mean()
        log_z = 0.5 * np.log(2 * np.pi / stiffness).sum()
        np.testing.assert_allclose(found, [square, 3 * square**2, 2.0, log_z], rtol=1e-6)

    def test_a_regression_has_the_moments_of_its_grid(self):
        data = self.path("data.h5")
        rng = np.random.default_rng(7)
        a, y = rng.normal(size=(40, 1)), (rng.uniform(size=40) < 0.6).astype(float)
        with h5py.File(data, "w") as file:
            file["a"], file["y"] = a, y
        axis = np.linspace(-4, 4, 401)
        both = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        logit = both[:, :1] + both[:, 1:] * a[:, 0]
        log_p = (y * logit - np.logaddexp(0, logit)).sum(axis=1) - (both**2).sum(axis=1) / 12.5
        weight = np.exp(log_p - log_p.max())
        truth = (weight[:, None] * both).sum(axis=0) / weight.sum()
        words = ["--target", "explicit", "--density", example("logistic_regression")]
        path = self.sample(*self.SIZE, *words, "--density-args", data)
        with h5py.File(path, "r") as file:
            x = file["posterior/x"][()].astype(float)
            facts = dict(file.attrs)
        by_chain = x.mean(axis=1)
        error = by_chain.std(axis=0, ddof=1) / np.sqrt(len(by_chain))
        self.assertLess((np.abs(by_chain.mean(axis=0) - truth) / error).max(), 4)
        # The data is found from any folder, and recognised.
        self.assertEqual(facts["density_args"].decode(), os.path.realpath(data))
        digest = hashlib.sha256(pathlib.Path(data).read_bytes()).hexdigest()
        self.assertEqual(facts["density_data_checksum"].decode(), "sha256:" + digest)
        self.assertIn(os.path.realpath(data), facts["config"].decode())

    def test_compare_knows_the_flows_density_at_draws_of_any_target(self):
        words = ["--target", "explicit", "--density", example("gaussian_mixture")]
        path = self.sample("--chains", 32, "--draws", 30, *words)
        with h5py.File(self.path("truth.h5"), "w") as file:
            file["x"] = np.random.default_rng(1).normal(size=(400, 2))
        done = run("compare", path, "--reference", self.path("truth.h5"), "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        with h5py.File(path, "r") as file:
            z = file["unconstrained_posterior/z"][()].astype(float)
            l = file["sample_stats/log_det_jacobian"][()]
        learnt = -0.5 * (z**2).sum(axis=2) - np.log(2 * np.pi) - l
        value = found["run"]["log_density"]["value"]
        self.assertGreater(value, learnt.min())
        self.assertLess(abs(value - learnt.mean()), 3 * learnt.std() / np.sqrt(100))

    def test_a_study_varies_a_density_and_knows_it_again(self):
        study = pathlib.Path(self.path("study.toml"))
        study.write_text(
            f'seeds = [1]\n[sample]\nflow = "{MOONS}"\ntarget = "explicit"\nchains = 16\n'
            f'warmup = 5\ndraws = 30\ndensity = "{example("funnel")}"\n'
            '[grid]\ndensity_args = ["0.5", "1"]\nbeta = [0.5, 1]\n'
        )
        words = ["study", study, "-o", self.path("study.h5"), "--quiet"]
        self.assertEqual(run(*words).returncode, 0)
        with h5py.File(self.path("study.h5"), "r") as file:
            runs = {name: file["runs"][name][()] for name in ("density_args", "beta", "rhat")}
        self.assertEqual(sorted(set(runs["density_args"])), [0.5, 1.0])
        self.assertEqual(len(runs["beta"]), 4)
        self.assertTrue(np.isfinite(runs["rhat"]).all())

    def test_an_annealed_density_at_zero_is_the_base_density(self):
        words = ["--target", "explicit", "--density", example("funnel"), "--beta", 0]
        path = self.sample(*self.SIZE, *words)
        with h5py.File(path, "r") as file:
            z = file["unconstrained_posterior/z"][()].astype(float)
        for power, truth in ((1, 0.0), (2, 1.0)):
            by_chain = (z**power).mean(axis=1)
            error = by_chain.std(axis=0, ddof=1) / np.sqrt(len(by_chain))
            self.assertLess(np.abs((by_chain.mean(axis=0) - truth) / error).max(), 4)


if __name__ == "__main__":
    unittest.main()
