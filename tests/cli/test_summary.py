# SPDX-License-Identifier: BSD-3-Clause
"""flotilla summary, checked against NumPy and the standard library's normal quantiles."""

import csv
import io
import json
import shutil
import statistics
import unittest

import h5py
import numpy as np

from program import FLOWS, MOONS, ProgramTest, run

RINGS = str(FLOWS / "three_rings.h5")


def split(chains):
    """[chain x draw] with each chain split into two."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def normal_scores(values):
    """Of values without ties."""
    ranks = np.empty(values.size)
    ranks[np.argsort(values, axis=None)] = np.arange(1, values.size + 1)
    inverse = statistics.NormalDist().inv_cdf
    scores = [inverse((rank - 0.375) / (values.size + 0.25)) for rank in ranks]
    return np.reshape(scores, values.shape)


def rhat(chains):
    draws = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean()
    between = chains.mean(axis=1).var(ddof=1)
    return np.sqrt((within * (draws - 1) / draws + between) / within)


def rank_normalised_rhat(chains):
    folded = np.abs(chains - np.median(chains))
    return max(rhat(normal_scores(split(part))) for part in (chains, folded))


def nested_rhat(chains, superchains):
    groups = chains.reshape(superchains, -1, chains.shape[1])
    means = groups.mean(axis=2)
    within = (means.var(axis=1, ddof=1) + groups.var(axis=2, ddof=1).mean(axis=1)).mean()
    return np.sqrt(1 + means.mean(axis=1).var(ddof=1) / within)


class Summary(ProgramTest):
    def summary(self, path, *arguments, ranks=None, code=0):
        done = run("summary", path, *arguments, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_figures_are_those_of_the_draws(self):
        path = self.sample("--chains", 48, "--superchains", 6, "--draws", 150, "--precision", "double")
        found = json.loads(self.summary(path, "--json").stdout)
        with h5py.File(path) as file:
            x = file["posterior/x"][()]
            lp = file["sample_stats/lp"][()]
            superchain = file["posterior/superchain"][()]
        np.testing.assert_array_equal(superchain, np.arange(48) // 8)
        series = {"x[0]": x[:, :, 0], "x[1]": x[:, :, 1], "lp": lp}
        compared = 0
        for quantity in found["quantities"]:
            if quantity["name"] not in series:
                continue
            chains = series[quantity["name"]]
            expected = {
                "mean": chains.mean(),
                "sd": chains.std(ddof=1),
                "q5": np.quantile(chains, 0.05),
                "median": np.median(chains),
                "q95": np.quantile(chains, 0.95),
                "nested_rhat": nested_rhat(chains, 6),
            }
            # Rejected moves repeat draws: with such ties the ranks below would be wrong.
            if len(np.unique(chains)) == chains.size:
                expected["rhat"] = rank_normalised_rhat(chains)
            for name, value in expected.items():
                self.assertAlmostEqual(quantity[name], value, delta=1e-9 * max(1, abs(value)))
                compared += 1
            self.assertAlmostEqual(
                quantity["mcse_mean"] ** 2 * quantity["ess_bulk"] / quantity["sd"] ** 2, 1, delta=0.5
            )
        self.assertGreaterEqual(compared, 18)
        self.assertEqual(found["sampling"]["gradients"], 48 * 150)

    def test_is_the_same_on_any_number_of_ranks_and_in_every_form(self):
        path = self.sample("--chains", 40, "--draws", 100)
        alone = self.summary(path, "--json").stdout
        self.assertEqual(self.summary(path, "--json", ranks=3).stdout, alone)
        rows = list(csv.DictReader(io.StringIO(self.summary(path, "--csv", ranks=2).stdout)))
        figures = json.loads(alone)["quantities"]
        self.assertEqual([row["name"] for row in rows], [one["name"] for one in figures])
        for row, one in zip(rows, figures):
            self.assertEqual(float(row["rhat"]), one["rhat"])
        table = self.summary(path).stdout
        for word in ("x[0]", "x[1]", "lp", "log_det_jacobian", "R-hat", "bulk ESS", "converged"):
            self.assertIn(word, table)

    def test_chains_that_cannot_cross_are_called_unconverged(self):
        size = ["--chains", 256, "--draws", 400, "--thin", 20, "--warmup", 400, "--no-latent"]
        size += ["--kernel", "metric-mala"]
        local = self.sample(*size, "--global-fraction", 0, flow=RINGS)
        done = self.summary(local, "--strict", code=3)
        self.assertIn("not converged: R-hat of", done.stderr)
        for word in ("--max-rhat", "the chains disagree", "--global-fraction"):
            self.assertIn(word, done.stderr)
        quantities = json.loads(self.summary(local, "--json").stdout)["quantities"]
        self.assertGreater(max(one["rhat"] for one in quantities), 1.1)
        crossing = self.sample(*size, "--global-fraction", 0.3, flow=RINGS, output="crossing.h5")
        self.assertIn("converged: R-hat at most", self.summary(crossing, "--strict").stdout)

    def test_strict_names_the_threshold_that_is_not_met(self):
        path = self.sample("--chains", 40, "--draws", 100, "--global-fraction", 0.5)
        lenient = ["--strict", "--max-rhat", 2]
        self.summary(path, *lenient, "--min-ess", 1)
        done = self.summary(path, *lenient, "--min-ess", 1e6, code=3)
        self.assertIn("--min-ess", done.stderr)
        self.assertIn("ESS of", done.stderr)
        self.summary(path, "--min-ess", 1e6)  # without --strict it is printed, but is no failure
        few = self.sample("--chains", 40, "--draws", 2, output="few.h5")
        self.assertIn("not defined", self.summary(few, "--strict", code=3).stderr)

    def test_every_verdict_is_told_once_with_the_option_that_helps(self):
        size = ["--chains", 64, "--draws", 100, "--force"]
        told = 0
        for options, words in (
            ([], ["the chains are short", "--draws", "--thin", "--superchains"]),
            (["--warmup", 0, "--step-size", 0.01], ["the step size 0.01 is too small", "--warmup 300"]),
            (["--draws", 3], ["is not defined", "--draws 3000"]),
        ):
            path = self.sample(*size, *options)
            for manner in ([], ["--strict"]):
                done = self.summary(path, *manner, code=3 if manner else 0)
                everything = done.stdout + done.stderr
                self.assertEqual(everything.count("not converged"), 1, everything)
                for word in words:
                    self.assertIn(word, everything)
                told += 1
        self.assertEqual(told, 6)

    def test_chains_that_never_moved_and_a_spike_are_found(self):
        path = self.sample("--chains", 256, "--draws", 300, "--global-fraction", 0.5)
        self.assertNotIn("never moved:", self.summary(path).stdout)
        with h5py.File(path, "r+") as file:
            stats = file["sample_stats"]
            for chain in (3, 100, 101, 255):
                for name in ("lp", "log_det_jacobian"):
                    stats[name][chain] = stats[name][chain, 0]
                stats["accepted"][chain] = 0
                file["posterior/x"][chain] = file["posterior/x"][chain, 0]
            stats["lp"][17, :200] = 2e9 + np.arange(200)
        done = self.summary(path, "--strict", code=3)
        self.assertIn("4 of 256 chains never moved", done.stderr)
        self.assertIn("lp reaches 2e+09", done.stderr)
        self.assertIn("no bound", done.stderr)

    def test_superchains_that_do_not_divide_the_chains_are_refused(self):
        path = self.sample("--chains", 40, "--superchains", 8, "--draws", 20)
        self.assertIn("in 8 superchains", self.summary(path).stdout)
        refused = 0
        for wrong in (7, 1, 40, 80, -8, 2.5):
            with h5py.File(path, "r+") as file:
                file.attrs["superchains"] = wrong
            for ranks in (None, 2):
                done = self.summary(path, ranks=ranks, code=2)
                self.assertIn("a divisor of its 40 chains", done.stderr)
                self.assertEqual(done.stderr.count("flotilla:"), 1)
                refused += 1
        self.assertEqual(refused, 12)

    def test_groups_and_variables(self):
        path = self.sample("--chains", 40, "--draws", 60, "--save-warmup", "--warmup", 80)
        names = lambda *words: [
            one["name"] for one in json.loads(self.summary(path, "--json", *words).stdout)["quantities"]
        ]
        self.assertEqual(names("--group", "unconstrained_posterior")[:2], ["z[0]", "z[1]"])
        self.assertEqual(names("--var", "lp,x"), ["lp", "x[0]", "x[1]"])
        self.assertEqual(names("--group", "warmup_posterior")[0], "x[0]")
        self.assertEqual(names("--group", "sample_stats", "--var", "acceptance_rate"), ["acceptance_rate"])

    def test_many_coordinates_are_told_by_their_extremes(self):
        from program import random_flow

        flow = random_flow(self.path("flow.h5"), "--dim", 60, "--layers", 2, "--widths", 8)
        path = self.sample("--chains", 40, "--draws", 60, flow=flow)
        short = self.summary(path).stdout
        self.assertIn("of 62 quantities", short)
        self.assertLess(short.count("\nx["), 20)
        self.assertEqual(self.summary(path, "--all").stdout.count("\nx["), 60)

    def test_a_killed_run_has_a_summary_of_what_is_committed(self):
        path = self.sample("--chains", 40, "--draws", 60)
        with h5py.File(path, "r+") as file:
            file["draws_committed"][()] = 30
            file["posterior/x"][:, 30:] = np.nan
        found = json.loads(self.summary(path, "--json").stdout)
        self.assertEqual(found["draws"], 30)
        self.assertIsNotNone(found["quantities"][0]["rhat"])
        with h5py.File(path, "r+") as file:
            file["posterior/x"][3, 4, 1] = np.nan
        done = self.summary(path, "--strict", code=3)
        self.assertIn("count of non-finite draws of x[1] is 1", done.stderr)

    def test_what_is_no_run_file_is_named(self):
        path = self.sample("--chains", 32, "--draws", 4, "--warmup", 1)
        text = self.path("text.h5")
        with open(text, "w", encoding="utf-8") as file:
            file.write("no HDF5")
        empty = self.path("empty.h5")
        shutil.copy(path, empty)
        with h5py.File(empty, "r+") as file:
            file["draws_committed"][()] = 0
        told = 0
        for words, expected in (
            ([text], "no HDF5 file"),
            ([self.path("none.h5")], "no such file"),
            ([MOONS], "not a run file"),
            ([empty], "no draw"),
            ([path, "--group", "prior"], "--group should be posterior"),
            ([path, "--var", "y"], "choose one of"),
            ([path, "--json", "--csv"], "exclude each other"),
            ([], "run is required"),
        ):
            for ranks in (None, 2):
                done = run("summary", *words, ranks=ranks)
                self.assertEqual(done.returncode, 2, (words, done.stderr))
                self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
                self.assertIn(expected, done.stderr)
                told += 1
        self.assertEqual(told, 16)


class Reports(ProgramTest):
    def reports(self, path):
        with open(path.replace(".h5", ".jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_a_run_reports_as_it_goes(self):
        path = self.sample("--chains", 64, "--draws", 80, "--report-every", 20)
        lines = self.reports(path)
        self.assertEqual([line["draws"] for line in lines], [20, 40, 60, 80])
        with h5py.File(path) as file:
            x = file["posterior/x"][()].astype(float)
            series = [x[:, :, 0], x[:, :, 1], file["sample_stats/lp"][()]]
        # Windows count as chains: two of 20 draws at the second report, two of 40 at the end.
        self.assertAlmostEqual(lines[3]["rhat"], max(rhat(split(one)) for one in series), delta=1e-9)
        early = max(rhat(split(one[:, :40])) for one in series)
        self.assertAlmostEqual(lines[1]["rhat"], early, delta=1e-9)
        self.assertIsNone(lines[0]["rhat"])
        ess = min(
            64 * (one.var(axis=1, ddof=1).mean() * 79 / 80 / one.mean(axis=1).var(ddof=1) + 1)
            for one in series
        )
        self.assertAlmostEqual(lines[3]["ess"], ess, delta=1e-8 * ess)
        self.assertIsNone(lines[3]["nested_rhat"])

    def test_nested_rhat_is_that_of_all_draws(self):
        path = self.sample("--chains", 96, "--superchains", 12, "--draws", 30, "--report-every", 10)
        with h5py.File(path) as file:
            x = file["posterior/x"][()].astype(float)
            series = [x[:, :, 0], x[:, :, 1], file["sample_stats/lp"][()]]
        last = self.reports(path)[-1]
        expected = max(nested_rhat(one, 12) for one in series)
        self.assertAlmostEqual(last["nested_rhat"], expected, delta=1e-9)

    def test_a_run_stops_when_its_chains_have_met(self):
        options = ["--chains", 256, "--draws", 3000, "--report-every", 25, "--global-fraction", 0.5]
        path = self.sample(*options, "--until-rhat", 1.05, "--until-ess", 2000)
        lines = self.reports(path)
        self.assertLessEqual(lines[-1]["rhat"], 1.05)
        self.assertGreaterEqual(lines[-1]["ess"], 2000)
        for line in lines[:-1]:
            met = line["rhat"] is not None and line["rhat"] <= 1.05 and line["ess"] >= 2000
            self.assertFalse(met)
        with h5py.File(path) as file:
            shape = file["posterior/x"].shape
            self.assertEqual(shape[1], lines[-1]["draws"])
            self.assertLess(shape[1], 3000)
            self.assertTrue(np.isfinite(file["posterior/x"][()]).all())
            self.assertEqual(file["posterior/draw"].shape, (shape[1],))
            self.assertEqual(file["sample_stats/is_global"].shape, shape[:2])
        whole = self.sample(*options, output="whole.h5")
        with h5py.File(path) as one, h5py.File(whole) as other:
            np.testing.assert_array_equal(
                one["posterior/x"][()], other["posterior/x"][:, : shape[1]]
            )

    def test_the_last_draw_has_a_report_too(self):
        for draws, every, expected in ((7, 100, [7]), (45, 20, [20, 40, 45]), (40, 20, [20, 40])):
            path = self.sample("--chains", 64, "--draws", draws, "--report-every", every, "--force")
            lines = self.reports(path)
            self.assertEqual([line["draws"] for line in lines], expected)
            with h5py.File(path) as file:
                x = file["posterior/x"][()].astype(float)
                series = [x[:, :, 0], x[:, :, 1], file["sample_stats/lp"][()]]
            whole = draws - draws % every  # R-hat compares whole stretches alone
            ess = min(
                64 * (one.var(axis=1, ddof=1).mean() * (draws - 1) / draws / one.mean(axis=1).var(ddof=1) + 1)
                for one in series
            )
            self.assertAlmostEqual(lines[-1]["ess"], ess, delta=1e-8 * ess)
            if whole >= 2 * every:
                expected_rhat = max(rhat(split(one[:, :whole])) for one in series)
                self.assertAlmostEqual(lines[-1]["rhat"], expected_rhat, delta=1e-9)
            else:
                self.assertIsNone(lines[-1]["rhat"])

    def test_a_threshold_that_is_never_met_is_told(self):
        size = ["--chains", 64, "--draws", 60, "--report-every", 20, "--warmup", 200, "--force"]
        told = 0
        for options, words in (
            (["--until-rhat", 1.0], ["--until-rhat 1 was not met: R-hat is", "--draws"]),
            (["--until-ess", 1e9], ["--until-ess 1e+09 was not met", "effective sample size is"]),
            (["--until-rhat", 1.01, "--draws", 5], ["R-hat has no value in 5 draws", "--report-every"]),
            (["--until-rhat", 1.0, "--superchains", 8], ["nested R-hat is"]),
        ):
            for ranks in (None, 2):
                done = run("sample", MOONS, "-o", self.path("run.h5"), "--quiet", *size, *options, ranks=ranks)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
                told += 1
        self.assertEqual(told, 8)
        both = ["--until-rhat", 1.0, "--until-ess", 1e9]
        done = run("sample", MOONS, "-o", self.path("run.h5"), "--quiet", *size, *both)
        self.assertEqual((done.returncode, done.stderr.count("flotilla:")), (3, 2))

    def test_without_reports_there_is_no_file(self):
        path = self.sample("--chains", 32, "--draws", 4, "--report-every", 0)
        self.assertFalse((self.directory / "run.jsonl").exists())
        done = run("sample", MOONS, "-o", path, "--force", "--report-every", 0, "--until-ess", 10)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--report-every", done.stderr)

    def test_a_refused_run_leaves_the_reports_of_the_one_before(self):
        path = self.sample("--chains", 32, "--draws", 40, "--report-every", 20)
        before = self.reports(path)
        self.assertEqual(run("sample", MOONS, "-o", path).returncode, 2)
        self.assertEqual(self.reports(path), before)


if __name__ == "__main__":
    unittest.main()
