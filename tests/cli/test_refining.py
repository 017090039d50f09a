# SPDX-License-Identifier: BSD-3-Clause
"""scripts/refine_flow.py: run, train, run again on a density."""

import os
import subprocess
import unittest

import h5py
import numpy as np

from flotilla_tools.training import real_nvp
from program import ENVIRONMENT, PROGRAM, PYTHON, SOURCE, TIME_LIMIT, ProgramTest, moments, run

LIBRARY = os.environ["FLOTILLA_UNNORMALISED"]
SIZE = ["--chains", 64, "--warmup", 100, "--draws", 100, "--max-epochs", 3, "--layers", 2]
SIZE += ["--width", 8, "--batch-size", 128]


class Refining(ProgramTest):
    def refine(self, *arguments):
        words = [PYTHON, str(SOURCE / "scripts" / "refine_flow.py"), LIBRARY, *arguments]
        words += ["--density-args", "normal", "-o", self.path("folder"), "--flotilla", PROGRAM]
        return subprocess.run(
            [*map(str, words), *map(str, SIZE)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )

    def test_rounds_end_and_the_last_run_is_exact(self):
        # No round is worth a thousand times the one before: the first training is the last.
        done = self.refine("--dim", 2, "--growth", 1000, "--final-draws", 400)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [[cell.strip() for cell in line.split("|")[1:-1]]
                 for line in done.stdout.splitlines() if line.startswith("|")]
        self.assertEqual(len(lines), 5, done.stdout)  # header, rule, two rounds, the last run
        self.assertEqual([line[0] for line in lines[2:4]], ["0", "1"])
        self.assertEqual(lines[2][-1], "1.0")
        self.assertEqual(len({len(line) for line in lines}), 1)
        folder = self.directory / "folder"
        made = {path.name for path in folder.iterdir()}
        self.assertLessEqual(
            {"flow_0.h5", "flow_1.h5", "run_0.h5", "run_1.h5", "flow.h5", "run.h5", "rounds.png"},
            made,
        )
        with h5py.File(folder / "flow.h5") as flow, h5py.File(folder / "run.h5") as last:
            self.assertEqual(flow.attrs["checksum"], last.attrs["flow_checksum"])
        self.assertEqual(run("flow", "verify", folder / "flow.h5").returncode, 0)
        found = moments(folder / "run.h5")
        truth = [1.0, 0.0, 1.0 + 0.25, 4.0]  # of x0, x1 and their squares
        for (mean, error), expected in zip(found, truth):
            self.assertLess(error, 0.3)
            self.assertLess(abs(mean - expected), 4 * error, found)

    def test_whole_chains_of_a_run_are_held_out(self):
        path = self.sample("--chains", 20, "--warmup", 30, "--draws", 15)
        own = real_nvp.Options(seed=3, noise=None, train_size=None, held_out_size=None)
        data = real_nvp.file_data(path, own)
        with h5py.File(path) as file:
            x = file["posterior/x"][()]
        np.testing.assert_array_equal(data.held_out, x[-2:].reshape(-1, 2))
        first, second = data.epoch(0).numpy(), data.epoch(1).numpy()
        self.assertFalse(np.array_equal(first, second))
        for draws in (first, second):
            np.testing.assert_array_equal(
                np.sort(draws, axis=0), np.sort(x[:-2].reshape(-1, 2), axis=0)
            )

    def test_what_cannot_be_used_is_one_sentence(self):
        (self.directory / "folder").mkdir()
        (self.directory / "folder" / "kept").touch()
        refused = 0
        for words, phrase in (
            (["--dim", 2], "empty folder"),
            ([], "one of --dim and --flow"),
            (["--dim", 1], "2 coordinates"),
        ):
            done = self.refine(*words)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(phrase, done.stderr)
            refused += 1
        self.assertEqual(refused, 3)
        self.assertEqual(len(list((self.directory / "folder").iterdir())), 1)


if __name__ == "__main__":
    unittest.main()
