# SPDX-License-Identifier: BSD-3-Clause
"""A run killed while writing leaves a file that opens, and every committed draw is right."""

import os
import signal
import subprocess
import time
import unittest

import numpy as np

from program import ENVIRONMENT, MOONS, ProgramTest, command, datasets, same_bits

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
            found = datasets(path)
            committed = int(found["draws_committed"])
            partial += 0 < committed < 4000
            self.assertLessEqual(committed, 4000)
            for name, values in found.items():
                if values.ndim < 2:
                    continue
                self.assertTrue(
                    same_bits(values[:, :committed], whole[name][:, :committed]), name
                )
        # The machine decides when a kill arrives, but some kills must come during the run.
        self.assertGreater(partial, 0)

    def run_for(self, path, seconds):
        """Kills both ranks this long after their file appeared; returns how long they ran."""
        words = command("sample", MOONS, "-o", path, *SIZE, "--quiet", ranks=2)
        with subprocess.Popen(
            words, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL
        ) as process:
            while not os.path.exists(path) and process.poll() is None:
                time.sleep(0.005)
            begin = time.monotonic()
            if seconds is not None:
                time.sleep(seconds)
                for rank in children(process.pid):
                    os.kill(rank, signal.SIGKILL)
            process.wait(timeout=100)
            return time.monotonic() - begin

    def test_draws_that_were_never_made_read_as_nan(self):
        path = self.path("killed.h5")
        self.run_for(path, 0.05)
        found = datasets(path)
        x, committed = found["posterior/x"], int(found["draws_committed"])
        self.assertEqual(x.shape, (128, 4000, 2))
        self.assertLess(committed, 4000)
        # The block under way may be there in part; later blocks must not be there.
        self.assertTrue(np.isnan(x[:, committed + 100 :]).all())
        self.assertFalse(np.isnan(x[:, :committed]).any())


def children(parent):
    """The child processes of a process."""
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


if __name__ == "__main__":
    unittest.main()
