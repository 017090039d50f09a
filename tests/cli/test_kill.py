# SPDX-License-Identifier: BSD-3-Clause
"""A run killed while writing leaves a file that opens, and every committed draw is right."""

import os
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
import xarray

from program import ENVIRONMENT, MOONS, ProgramTest, command, datasets, run, same_bits

SIZE = ["--chains", 128, "--warmup", 20, "--draws", 4000, "--tile-width", 32]
KILLS = 6


class Kill(ProgramTest):
    def test_every_committed_draw_is_good(self):
        # The duration of a whole run tells when to kill the others, on a machine of any speed.
        seconds = self.run_for(self.path("whole.h5"), None)
        whole = datasets(self.path("whole.h5"))
        self.assertEqual(int(whole["draws_committed"]), 4000)
        partial = 0
        for attempt in range(KILLS):
            path = self.path(f"killed_{attempt}.h5")
            self.run_for(path, seconds * (attempt + 0.5) / KILLS)
            verified = run("verify", path)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
            found = datasets(path)
            committed = int(found["draws_committed"])
            partial += 0 < committed < 4000
            self.assertLessEqual(committed, 4000)
            for name, values in found.items():
                if values.ndim < 2 or name.startswith("checksums/"):
                    continue
                self.assertTrue(
                    same_bits(values[:, :committed], whole[name][:, :committed]), name
                )
        # The machine decides when a kill arrives, but some kills must come during the run.
        self.assertGreater(partial, 0)

    def run_for(self, path, seconds, begun=None):
        """Kills both ranks this long after a file appeared, by default that of the run; returns how
        long they ran.
        """
        words = command("sample", MOONS, "-o", path, *SIZE, "--quiet", ranks=2)
        with subprocess.Popen(
            words, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL
        ) as process:
            while not os.path.exists(begun or path) and process.poll() is None:
                time.sleep(0.005)
            begin = time.monotonic()
            if seconds is not None:
                time.sleep(seconds)
                for rank in children(process.pid):
                    os.kill(rank, signal.SIGKILL)
            process.wait(timeout=100)
            return time.monotonic() - begin

    def test_draws_that_were_never_made_are_missing_to_every_reader(self):
        path = self.path("killed.h5")
        self.run_for(path, 0.1, begun=self.path("killed.checkpoint"))  # that of warm-up
        with h5py.File(path, "r") as file:
            committed = int(file["draws_committed"][()])
            self.assertEqual(file["posterior/x"].shape, (128, 4000, 2))
            self.assertLess(committed, 4000)
            self.assertGreater(file.attrs["step_size"], 0.0)
        looked = 0
        for engine in ("h5netcdf", "netcdf4"):
            for masked in (True, False):
                for group in ("posterior", "unconstrained_posterior", "sample_stats"):
                    how = {"group": group, "engine": engine, "mask_and_scale": masked}
                    with xarray.open_dataset(path, **how) as data:
                        self.assertIn("unfinished", data.attrs["status"])
                        for name, variable in data.data_vars.items():
                            with self.subTest(variable=name, **how):
                                self.expect_missing(variable, committed, masked)
                                looked += 1
        self.assertEqual(looked, 4 * 9)

    def expect_missing(self, variable, committed, masked):
        """The block under way may be there in part; later blocks must not be there."""
        made = variable.values[:, :committed]
        later = variable.values[:, committed + 100 :]
        self.assertFalse(np.isnan(made).any())
        if masked or variable.dtype.kind == "f":
            self.assertTrue(np.isnan(later).all())
        else:
            self.assertEqual(variable.attrs["_FillValue"], -1)
            self.assertTrue((later == -1).all())
            self.assertTrue(np.isin(made, (0, 1)).all())


def children(parent):
    """The child processes of a process."""
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


if __name__ == "__main__":
    unittest.main()
