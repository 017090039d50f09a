# SPDX-License-Identifier: BSD-3-Clause
"""The installed Python scripts: they run from any folder, and load torch only if needed."""

import os
import pathlib
import re
import subprocess
import unittest

from program import ENVIRONMENT, PROGRAM, SOURCE, TIME_LIMIT, ProgramTest

BUILD = pathlib.Path(PROGRAM).parents[2]
WITHOUT_TORCH = {
    "adaptation_table", "image_posterior", "image_set", "kernel_panel", "observe", "phi4_truth",
    "plot_run", "plot_study", "report", "scaling", "toy_sets", "toy_support", "toy_table",
}
NOT_INSTALLED = {"compare_speed", "posterior_table"}

# Python runs this before anything else that it finds on PYTHONPATH.
NO_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Refuse())
"""


def starters():
    """The names of all scripts in Python, without their ending."""
    return {path.stem for path in (SOURCE / "scripts").glob("*.py")}


def command(script):
    return f"flotilla-{script.replace('_', '-')}"


class Installed(ProgramTest):
    def setUp(self):
        super().setUp()
        self.prefix, self.elsewhere = self.directory / "prefix", self.directory / "elsewhere"
        self.elsewhere.mkdir()
        script = BUILD / "scripts" / "cmake_install.cmake"
        words = ["cmake", f"-DCMAKE_INSTALL_PREFIX={self.prefix}", "-P", str(script)]
        subprocess.run(words, check=True, capture_output=True, timeout=TIME_LIMIT)
        (self.prefix / "bin" / "flotilla").symlink_to(PROGRAM)
        plain = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        self.environment = {k: v for k, v in ENVIRONMENT.items() if k not in plain}

    def start(self, script, *words, **environment):
        """Runs the command of a script in an unrelated folder."""
        return subprocess.run(
            [str(self.prefix / "bin" / command(script)), *map(str, words)],
            env={**self.environment, **environment},
            cwd=self.elsewhere,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )

    def test_each_answers_help_and_leaves_nothing_behind(self):
        answered, options = set(), 0
        for script in starters() - NOT_INSTALLED:
            done = self.start(script, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""), script)
            self.assertIn(f"usage: {command(script)}", done.stdout)
            self.assertIn("\n    ", done.stdout, script)  # an example
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100, script)
            for option in done.stdout.split("options:")[1].split("\n  -")[1:]:
                # Without names, choices and brackets, at least one word must explain the option.
                told = re.sub(r"\([^()]*\)|\{[^}]*\}|-[\w-]+|\b[A-Z_]+\b", " ", f"-{option}")
                self.assertRegex(told, "[a-z]{2}", f"{script}: -{option}")
                options += 1
            answered.add(script)
        self.assertGreaterEqual(len(answered), 14)
        self.assertGreater(options, 100)
        self.assertEqual(list(self.prefix.rglob("__pycache__")), [])
        self.assertEqual(list(self.elsewhere.iterdir()), [])

    def test_only_those_that_compute_flows_ask_for_torch(self):
        blocked = self.directory / "blocked"
        blocked.mkdir()
        (blocked / "sitecustomize.py").write_text(NO_TORCH, encoding="utf-8")
        answered, refused = set(), set()
        for script in starters() - NOT_INSTALLED:
            done = self.start(script, "--help", PYTHONPATH=str(blocked))
            if done.returncode == 0:
                answered.add(script)
            else:
                self.assertEqual(done.returncode, 1, script)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn("install Debian's python3-torch", done.stderr)
                refused.add(script)
        self.assertEqual(answered, WITHOUT_TORCH)
        self.assertGreaterEqual(len(refused), 5)

    def test_a_run_is_drawn_by_the_program_beside_them(self):
        run = self.sample("--chains", 64, "--warmup", 50, "--draws", 40)
        done = self.start("plot_run", run, "-o", "picture.png", PATH=os.defpath)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("onverged: ", done.stdout)
        self.assertGreater((self.elsewhere / "picture.png").stat().st_size, 50_000)

    def test_what_is_wrong_is_one_sentence_under_the_name_of_the_command(self):
        done = self.start("plot_run", "none.h5")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"\Aflotilla-plot-run: expected .*none\.h5.*\n\Z")
        (self.prefix / "bin" / "flotilla").unlink()
        words = ("--flotilla", self.path("missing"), "--ranks", 1)
        done = self.start("scaling", SOURCE / "apps/flows/two_moons.h5", *words)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Aflotilla-scaling: expected the program at .*\n\Z")


if __name__ == "__main__":
    unittest.main()
