# SPDX-License-Identifier: BSD-3-Clause
"""Studies: which cells run, what is recorded, which cells are not run again."""

import csv
import json
import os
import subprocess
import unittest

import h5py
import numpy as np

from flotilla_tools.plotting.study import kinds_of
from flotilla_tools.plotting.study_tables import StudyTables
from flotilla_tools.toys import toy_set
from program import ENVIRONMENT, MOONS, PYTHON, SOURCE, ProgramTest, run

STUDY = """
seeds = [3, 4]
reference = "importance"
rhat = 1.2
ess = 50

[sample]
flow = "{flow}"
chains = 64
warmup = 60
report_every = 20

[grid]
kernel = ["mala", "metric-mala"]
draws = [40, 80]
"""


class Study(ProgramTest):
    def write(self, text=STUDY, name="study.toml", flow=MOONS):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text.format(flow=flow))
        return self.path(name)

    def study(self, path, *arguments, ranks=None, code=0):
        output = self.path("study.h5")
        done = run("study", path, "-o", output, *arguments, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def tables(self, name="study.h5"):
        with h5py.File(self.path(name)) as file:
            return {
                table: {
                    column: data.asstr()[()] if data.dtype.kind in "OS" else data[()]
                    for column, data in file[table].items()
                }
                for table in ("runs", "means", "reports")
            }

    def test_runs_every_combination_once(self):
        study = self.write()
        done = self.study(study, ranks=2)
        self.assertEqual(done.stdout.count(" s\n"), 8, done.stdout)
        tables = self.tables()
        runs = tables["runs"]
        combinations = list(zip(runs["kernel"], runs["draws"], runs["seed"]))
        self.assertEqual(len(set(combinations)), 8)
        self.assertEqual(combinations[1], ("mala", 40.0, 4.0))
        self.assertEqual(set(runs["message"]), {""})
        np.testing.assert_array_equal(runs["draws_kept"], runs["draws"])
        self.assertTrue((runs["draws_to_ess"] <= 80).all())
        self.assertTrue((runs["error"] < 0.3).all())
        self.assertFalse(any(name.endswith(".h5") for name in os.listdir(self.path("study.cells"))))

        means = tables["means"]
        self.assertEqual(len(means["runs"]), 4)
        for table in (runs, means):  # what all runs are about
            self.assertEqual(set(table["flow"]), {"two_moons.h5"})
            self.assertEqual(set(table["target"]), {"tempered"})
            np.testing.assert_array_equal(table["acceptance_target"], 0.574)
        for row in range(4):
            own = (runs["kernel"] == means["kernel"][row]) & (runs["draws"] == means["draws"][row])
            for figure in ("ess_bulk", "acceptance_rate", "rhat", "error"):
                pair = runs[figure][own]
                self.assertEqual(len(pair), 2)
                self.assertAlmostEqual(means[figure][row], pair.mean())
                self.assertAlmostEqual(means[f"{figure}_error"][row], pair.std(ddof=1) / 2**0.5)
        draws = tables["reports"]["draws"][tables["reports"]["run"] == 2]
        np.testing.assert_array_equal(draws, [20, 40, 60, 80])

    def test_a_run_of_a_study_is_the_run_that_sample_makes(self):
        study = self.write("keep_runs = true\n" + STUDY)
        self.study(study)
        again = self.sample(
            "--chains", 64, "--warmup", 60, "--draws", 80, "--seed", 4, "--kernel", "metric-mala"
        )
        self.assert_same_datasets(self.path("study.cells/0007.h5"), again)
        summary = json.loads(run("summary", again, "--json").stdout)
        runs = self.tables()["runs"]
        ess = min(one["ess_bulk"] for one in summary["quantities"])
        self.assertAlmostEqual(runs["ess_bulk"][7], ess)

    def test_figures_do_not_depend_on_the_ranks(self):
        study = self.write()
        self.study(study)
        alone = self.tables()
        for ranks, width in ((3, 1), (3, 2)):
            wide = self.write(f"ranks_per_run = {width}\n" + STUDY, name="wide.toml")
            done = run("study", wide, "-o", self.path(f"wide_{width}.h5"), ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            others = self.tables(f"wide_{width}.h5")
            for figure in ("rhat", "ess_tail", "error", "final_step_size", "draws_to_rhat"):
                np.testing.assert_array_equal(others["runs"][figure], alone["runs"][figure])

    def test_what_is_finished_is_not_run_again(self):
        study = self.write()
        self.study(study)
        before = self.tables()
        os.remove(self.path("study.cells/0003.json"))
        with open(self.path("study.cells/0005.json"), "r+", encoding="utf-8") as file:
            file.truncate(40)  # as a kill leaves it
        os.remove(self.path("study.h5"))
        done = self.study(study, ranks=2)
        self.assertEqual(done.stdout.count("done before"), 7)  # six, and the line that counts them
        self.assertIn("8 runs, 6 done before, 0 failed", done.stdout)
        after = self.tables()
        np.testing.assert_array_equal(before["runs"]["rhat"], after["runs"]["rhat"])
        # One more seed renumbers the cells but runs none of them again.
        more = self.write(STUDY.replace("[3, 4]", "[3, 5, 4]"))
        self.assertIn("12 runs, 8 done before", self.study(more).stdout)
        moved = self.tables()["runs"]
        np.testing.assert_array_equal(before["runs"]["rhat"], moved["rhat"][moved["seed"] != 5])
        # A changed configuration runs again.
        changed = self.write(STUDY.replace("warmup = 60", "warmup = 61"))
        self.assertIn("0 done before", self.study(changed).stdout)

    def test_a_killed_study_goes_on(self):
        study = self.write(STUDY.replace("[40, 80]", "[400, 900]"))
        words = [os.environ["FLOTILLA_PROGRAM"], "study", study, "-o", self.path("study.h5")]
        with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            process.stdout.readline()
            process.kill()
        done = self.study(study)
        self.assertIn("0 failed", done.stdout)
        self.assertNotIn(" 0 done before", done.stdout)
        self.assertEqual(len(self.tables()["runs"]["run"]), 8)

    def test_a_run_with_a_parameter_of_another_target_fails_alone(self):
        text = """
[sample]
flow = "{flow}"
chains = 64
warmup = 10
draws = 20
clip_level = 3

[grid]
target = ["tempered", "clipped"]
"""
        for settings in ("", "keep_runs = true\n"):
            done = self.study(self.write(settings + text), ranks=2, code=3)
            self.assertIn("target=tempered seed=1: FAILED: --clip-level is no parameter",
                          done.stdout)
            self.assertIn("1 failed", done.stdout)

    def test_a_failing_run_is_recorded_and_the_rest_goes_on(self):
        text = """
[sample]
flow = "{flow}"
chains = 64
warmup = 10
draws = 20

[list]
superchains = [0, 7, 8]
beta = [1, 1, 0.5]
"""
        done = self.study(self.write(text), ranks=2, code=3)
        self.assertIn("FAILED: --superchains should be", done.stdout)
        self.assertIn("3 runs, 0 done before, 1 failed", done.stdout)
        self.assertIn("flotilla: 1 of 3 runs failed: their messages stand in", done.stderr)
        tables = self.tables()
        runs = tables["runs"]
        self.assertIn("--superchains should be", runs["message"][1])
        self.assertTrue(np.isnan(runs["rhat"][1]))
        self.assertTrue(np.isfinite(runs["rhat"][[0, 2]]).all())
        np.testing.assert_array_equal(tables["means"]["runs"], [1, 0, 1])
        with open(self.path("study.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(rows[1]["message"], runs["message"][1])
        self.assertEqual(rows[1]["rhat"], "")
        self.assertEqual(float(rows[2]["rhat"]), runs["rhat"][2])

    def test_a_run_that_never_met_its_threshold_is_told(self):
        shares = 'global_fraction = [0, "auto"]'
        text = STUDY.replace('kernel = ["mala", "metric-mala"]', shares)
        text = text.replace("draws = [40, 80]", "until_rhat = [1.000001, 3]").replace("[3, 4]", "[3]")
        study = self.write(text)
        for again in (False, True):
            done = self.study(study, ranks=2)
            self.assertEqual(done.stdout.count("--until-rhat 1 was not met: R-hat is"), 2, done.stdout)
            self.assertIn("2 runs never met until_rhat or until_ess", done.stdout)
            self.assertEqual("4 done before" in done.stdout, again)
        runs = self.tables()["runs"]
        self.assertEqual(len(runs["unmet"]), 4)
        for sentence, threshold in zip(runs["unmet"], runs["until_rhat"]):
            self.assertEqual("was not met" in sentence, threshold < 3, sentence)
        # The share that warm-up found stands beside the one that was asked for.
        np.testing.assert_array_equal(runs["global_fraction"], ["0", "0", "auto", "auto"])
        found = runs["final_global_fraction"]
        self.assertTrue((found[:2] == 0).all() and (found[2:] >= 0.3).all(), found)
        easy = text.replace("[1.000001, 3]", "[3, 4]")
        self.assertNotIn("never met", self.study(self.write(easy)).stdout)

    def test_a_reference_can_be_a_run(self):
        long = self.sample("--chains", 256, "--draws", 400, output="long.h5")
        text = "keep_runs = true\n" + STUDY.replace('"importance"', f'"{long}"')
        self.study(self.write(text))
        with h5py.File(long) as file:
            x = file["posterior/x"][()].astype(float)
        with h5py.File(self.path("study.cells/0000.h5")) as file:
            mean = file["posterior/x"][()].astype(float).mean(axis=(0, 1))
        distance = (mean - x.mean(axis=(0, 1))) / x.std(axis=(0, 1), ddof=1)
        found = self.tables()["runs"]["error"][0]
        self.assertAlmostEqual(found, np.sqrt((distance**2).mean()), places=5)

    def test_draws_are_compared_where_that_is_asked_for(self):
        reference = {}
        rng = np.random.default_rng(5)
        for name in ("two_moons", "gaussians_6"):
            toy = toy_set(name)
            reference[name] = self.path(f"{name}.h5")
            with h5py.File(reference[name], "w") as file:
                file["x"], file["modes"] = toy.sample(1000, rng), toy.on_modes(60, rng)
        flows = MOONS, MOONS.replace("two_moons", "six_gaussians")
        names = "two_moons", "gaussians_6"
        study = self.write(f"""
keep_runs = true

[sample]
chains = 64
warmup = 60
draws = 40

[compare]
points = 200

[list]
flow = {json.dumps(flows)}
compare_reference = {json.dumps([reference[name] + ":x" for name in names])}
compare_modes = {json.dumps([reference[name] + ":modes" for name in names])}
""".replace("{", "{{").replace("}", "}}"))
        self.study(study, ranks=2)
        runs = self.tables()["runs"]
        compared = 0
        for row, (name, modes) in enumerate(zip(names, (2, 6))):
            found = json.loads(run(
                "compare", self.path(f"study.cells/000{row}.h5"), "--json", "--points", 200,
                "--reference", reference[name] + ":x", "--modes", reference[name] + ":modes",
            ).stdout)
            for prefix, sample in (("", "run"), ("naive_", "naive"), ("floor_", "reference")):
                for measure in ("precision", "energy_distance", "log_density", "below_quantile"):
                    self.assertAlmostEqual(
                        runs[prefix + measure][row], found[sample][measure]["value"]
                    )
                    compared += 1
            weights = [
                np.array([mode["value"] for mode in found[sample]["modes"]])
                for sample in ("run", "reference")
            ]
            own = [runs[f"mode_{k}"][row] for k in range(6)]
            np.testing.assert_allclose(own[:modes], weights[0])
            self.assertTrue(np.isnan(own[modes:]).all())
            floor = [runs[f"floor_mode_{k}"][row] for k in range(modes)]
            np.testing.assert_allclose(floor, weights[1])
            # Distances between three samples obey the triangle inequality.
            apart = abs(weights[0] - weights[1]).sum() / 2
            here, there = runs["mode_distance"][row], runs["floor_mode_distance"][row]
            self.assertLessEqual(abs(here - there), apart + 1e-12)
            self.assertGreaterEqual(here + there, apart - 1e-12)
            self.assertGreater(there, 0)
        self.assertEqual(compared, 24)
        self.assertIn("2 done before", self.study(study).stdout)
        # A reference with the same name but other numbers makes its run new.
        with h5py.File(reference["two_moons"], "r+") as file:
            file["x"][0] = 0.25
        self.assertIn("1 done before", self.study(study).stdout)
        # A run that cannot be compared is refused before it is made.
        os.remove(reference["two_moons"])
        for kept in ("study.cells/0000.h5", "study.cells/0000.jsonl"):
            os.remove(self.path(kept))
        self.assertIn("FAILED", self.study(study, code=3).stdout)
        self.assertFalse(os.path.exists(self.path("study.cells/0000.h5")))

    def test_runs_are_held_against_true_moments(self):
        flow = self.path("normal.h5")
        done = run("flow", "identity", "--dim", 2, "--loc", "1,2", "-o", flow)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, mean in (("right", [1, 2]), ("wrong", [1, 1])):
            with open(self.path(f"{name}.toml"), "w") as file:
                file.write(f"[x]\nmean = {mean}\nsd = 1\n")
        text = f"""
[sample]
flow = "{flow}"
chains = 64
warmup = 60
draws = 40

[list]
compare_truth = ["right.toml", "wrong.toml", "missing.toml"]
"""
        self.study(self.write(text), code=3)  # for the missing file
        runs = self.tables()["runs"]
        self.assertLess(runs["truth_farthest"][0], 4)
        self.assertLess(runs["truth_typical"][0], 2.5)
        self.assertGreater(runs["truth_farthest"][1], 10)
        self.assertIn("missing.toml", runs["message"][2])
        with open(self.path("wrong.toml"), "a") as file:
            file.write("# other bytes\n")
        self.assertIn("1 done before", self.study(self.write(text), code=3).stdout)

    def test_what_is_wrong_with_a_study_is_named(self):
        told = 0
        for text, expected in (
            ("colour = 1\n" + STUDY, "study.toml:1: 'colour' is no setting"),
            (STUDY + "[girds]\nbeta = [1]\n", "did you mean 'grid'?"),
            (STUDY.replace("draws = [40, 80]", "drawz = [40]"), "did you mean 'draws'?"),
            (STUDY.replace("chains = 64", "chains = many"), "study.toml:9: this is no TOML"),
            (STUDY.replace('"mala", "metric-mala"', '"hmc"'), "should be one of"),
            (STUDY.replace('"importance"', '"none.h5"'), "no such file"),
            (STUDY + "[compare]\npoints = 50\n", "give --reference (draws), --truth (moments)"),
        ):
            for ranks in (None, 2):
                done = run("study", self.write(text), "-o", self.path("s.h5"), ranks=ranks)
                self.assertEqual(done.returncode, 2, (expected, done.stdout, done.stderr))
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
                told += 1
        self.assertEqual(told, 14)


class Pictures(ProgramTest):
    def test_a_study_is_drawn_by_what_it_varies(self):
        script = str(SOURCE / "scripts" / "plot_study.py")
        data = self.path("data.h5")
        with h5py.File(data, "w") as file:
            file["x"] = toy_set("two_moons").sample(400, np.random.default_rng(1))
        drawn = 0
        for kind, section in (
            ("quality", f'beta = [0, 1]\n[compare]\npoints = 100\nreference = "{data}:x"'),
            ("kernels", 'kernel = ["mala", "ghmc"]\nglobal_fraction = [0, 0.5, 1, "auto"]'),
            ("step-size", "step_size = [0.02, 0.05]"),
            ("exchange", "warmup = [20, 40]\nchains = [32, 64]"),
            ("chains", "chains = [32, 64]"),
            ("beta", 'beta = [0, 1]\ntarget = ["tempered", "clipped"]'),
        ):
            study = self.path(f"{kind}.toml")
            small = [line for line in ("chains = 64", "warmup = 60") if line[:6] not in section]
            with open(study, "w", encoding="utf-8") as file:
                file.write(
                    f'seeds = [1, 2]\nreference = "importance"\n[sample]\nflow = "{MOONS}"\n'
                    f"draws = 40\nreport_every = 10\n" + "\n".join(small) + f"\n[grid]\n{section}\n"
                )
            output = self.path(f"{kind}.h5")
            self.assertEqual(run("study", study, "-o", output, "--quiet").returncode, 0)
            done = subprocess.run([PYTHON, script, output], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            import matplotlib.image

            self.assertEqual(kinds_of(StudyTables(output))[-1], kind)
            picture = matplotlib.image.imread(self.path(f"{kind}.png"))
            self.assertGreater(picture[..., :3].std(), 0.05)
            drawn += 1
        self.assertEqual(drawn, 6)
        done = subprocess.run([PYTHON, script, MOONS], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("expected", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
