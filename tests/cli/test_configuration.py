# SPDX-License-Identifier: BSD-3-Clause
"""Options on the command line, in a TOML file, and as the run file records them."""

import pathlib
import re
import shutil
import unittest

import h5py
import numpy as np

from program import MOONS, ProgramTest, random_flow, run


class Configuration(ProgramTest):
    def write(self, text, name="run.toml"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def recorded(self, path):
        with h5py.File(path, "r") as file:
            return file.attrs["config"].decode()

    def test_the_recorded_configuration_makes_the_same_run(self):
        options = ["--chains", 33, "--warmup", 20, "--draws", 9, "--target", "clipped"]
        options += ["--beta", 0.123456789012345, "--step-size", 0.0312345, "--no-adapt"]
        first = self.sample(*options, "--no-latent", "--save-warmup", "--thin", 2)
        text = self.recorded(first)
        self.assertIn("beta = 0.123456789012345\n", text)
        config = self.write(text)
        again = run("sample", "--config", config, "-o", self.path("again.h5"), ranks=2)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assert_same_datasets(first, self.path("again.h5"))

    def test_the_papers_settings_are_a_configuration(self):
        settings = pathlib.Path(__file__).parents[2] / "apps" / "studies" / "paper.toml"
        size = ["--chains", 33, "--warmup", 5, "--draws", 4, "--quiet"]
        path = self.sample("--config", settings, *size)
        with h5py.File(path, "r") as file:
            self.assertEqual(file.attrs["kernel"].decode(), "metric-mala")
            self.assertEqual(file.attrs["global_fraction"], 0.1)
        self.assertIn("target-accept = 0.574\n", self.recorded(path))

    def test_a_share_of_global_moves_is_a_number_or_auto(self):
        size = ["--chains", 64, "--warmup", 20, "--draws", 4]
        adapted = self.sample(*size, "--global-fraction", "auto", output="auto.h5")
        again = self.sample(*size, output="default.h5")
        self.assert_same_datasets(adapted, again)
        self.assertIn('global-fraction = "auto"\n', self.recorded(adapted))
        with h5py.File(adapted, "r") as file:
            self.assertGreater(file.attrs["global_fraction"], 0.1)
            self.assertLess(file.attrs["global_fraction"], 0.9)
        fixed = self.sample(*size, "--global-fraction", 0.25, output="fixed.h5")
        with h5py.File(fixed, "r") as file:
            self.assertEqual(file.attrs["global_fraction"], 0.25)
        config = self.write('global_fraction = "often"\n')
        done = run("sample", MOONS, "--config", config, "-o", self.path("no.h5"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("a number from 0 to 1, or auto", done.stderr)

    def test_the_recorded_configuration_overwrites_nothing(self):
        size = ["--chains", 33, "--warmup", 2, "--draws", 2, "--quiet", "--force"]
        first = self.sample(*size)
        config = self.write(self.recorded(first))
        self.assertEqual(run("sample", "--config", config).returncode, 2)

    def test_the_recorded_configuration_works_from_any_folder(self):
        flow = self.path("flows/a # \"flow\".h5")
        pathlib.Path(flow).parent.mkdir()
        shutil.copy(MOONS, flow)
        with h5py.File(self.path("pts:1.h5"), "w") as file:
            file["x"] = np.linspace(-1, 1, 8).reshape(4, 2)
        words = ["flows/a # \"flow\".h5", "--start", "pts:1.h5:x", "-o", "it's.h5"]
        size = ["--chains", 33, "--warmup", 5, "--draws", 4, "--quiet"]
        done = run("sample", *words, *size, directory=self.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        config = self.write(self.recorded(self.path("it's.h5")))
        elsewhere = self.directory / "else" / "where"
        elsewhere.mkdir(parents=True)
        done = run("sample", "--config", config, "-o", "again.h5", directory=elsewhere, ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_datasets(self.path("it's.h5"), str(elsewhere / "again.h5"))
        # The run's own output is recorded too; it is not replaced.
        done = run("sample", "--config", config, directory=elsewhere)
        self.assertEqual(done.returncode, 2)
        self.assertIn("it's.jsonl exists already", done.stderr)

    def test_every_option_can_come_from_a_file(self):
        help_text = run("sample", "--help").stdout
        names = set(re.findall(r"^  .*?--(?:no-)?([a-z-]+)", help_text, re.MULTILINE))
        self.assertGreater(len(names), 25)
        text = self.recorded(self.sample("--chains", 2, "--warmup", 1, "--draws", 1))
        keys = {line.split(" = ")[0] for line in text.splitlines()}
        # An option without a value is not recorded. One of kind manner never is.
        unset = {"step-size", "target-accept", "until-rhat", "until-ess"}
        unset |= {"clip-level", "clip-quantile", "clip-sharpness"}  # of another target
        manner = {"force", "quiet", "config", "resume", "accept-seam", "checkpoint-every"}
        self.assertEqual(names - keys - unset, manner | {"max-walltime", "stall-timeout"})
        config = self.write("force = true\nquiet = true\n")
        done = run("sample", MOONS, "-o", self.path("run.h5"), "--config", config, "--draws", 1)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_letter_may_have_its_value_with_it(self):
        for number, words in enumerate((["-oa.h5"], ["-o=b.h5"], ["-o", "c.h5"])):
            size = ["--chains", 2, "--warmup", 1, "--draws", 1, "--quiet"]
            done = run("sample", MOONS, *words, *size, directory=self.directory)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue((self.directory / f"{'abc'[number]}.h5").exists())

    def test_the_command_line_wins(self):
        config = self.write('chains = 5\ndraws = 3 # a comment\n\nkernel = "mala"\nlatent = false\n')
        path = self.sample("--config", config, "--warmup", 1, "--draws", 4, "--latent")
        text = self.recorded(path)
        for line in ("chains = 5", "draws = 4", 'kernel = "mala"', "latent = true"):
            self.assertIn(line + "\n", text)

    def test_a_wrong_entry_is_named_with_its_line(self):
        config = self.write("# sizes\nchains = [5, 6]\n")
        done = run("sample", MOONS, "--config", config, "-o", self.path("run.h5"), ranks=2)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{config}:2: 'chains' should be a whole number", done.stderr)
        self.assertEqual(done.stderr.count("flotilla: "), 1)

    def test_an_unknown_key_is_named(self):
        config = self.write("chainz = 5\n")
        done = run("sample", MOONS, "--config", config, "-o", self.path("run.h5"), ranks=2)
        self.assertEqual(done.returncode, 2)
        self.assertIn("'chainz' is no option: did you mean 'chains'?", done.stderr)

    def test_a_context_is_the_same_inline_and_from_a_file(self):
        flow = random_flow(self.path("flow.h5"), "--dim", 3, "--widths", 5, "--context", 2)
        numbers = self.path("context.h5")
        with h5py.File(numbers, "w") as file:
            file["c"] = np.array([-0.5, 0.25])
        size = ["--chains", 33, "--warmup", 20, "--draws", 9]
        inline = self.sample(*size, "--context=-0.5,0.25", flow=flow, output="inline.h5", ranks=2)
        stored = self.sample(*size, "--context", numbers, flow=flow, output="stored.h5")
        self.assert_same_datasets(inline, stored)
        with h5py.File(stored, "r") as file:
            self.assertEqual(file.attrs["context"], b"-0.5,0.25")
        config = self.write("context = [-0.5, 0.25]\n")
        from_file = self.sample(*size, "--config", config, flow=flow, output="from_file.h5")
        self.assert_same_datasets(inline, from_file)
        other = self.sample(*size, "--context", "-0.5,0.5", flow=flow, output="other.h5")
        with self.assertRaises(AssertionError):
            self.assert_same_datasets(inline, other)

    def test_help_and_version_end_well(self):
        for words in (["--help"], ["--version"], ["sample", "--help"], ["flow", "show", "--help"]):
            with self.subTest(words=words):
                done = run(*words, ranks=2)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.count("flotilla"), run(*words).stdout.count("flotilla"))
                self.assertGreater(done.stdout.count("flotilla"), 0)


if __name__ == "__main__":
    unittest.main()
