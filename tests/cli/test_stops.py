# SPDX-License-Identifier: BSD-3-Clause
"""A run that is told to stop stops soon, says so, and goes on with the same bits."""

import signal
import time
import unittest

from interrupted import EVERY_RANK, Fault, Run, committed, content, reports
from program import MOONS, ProgramTest, same_bits

SOON = 15  # seconds from a signal to the end of all processes
ASKS = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP")
WORDS = ["sample", MOONS, "-o", "run.h5", "--quiet", "--chains", 64, "--tile-width", 32]
SHORT = [*WORDS, "--warmup", 20, "--draws", 300, "--report-every", 20]
LONG = [*WORDS, "--warmup", 20, "--draws", 3000, "--thin", 20000]
OFTEN = ["--checkpoint-every", 1e-6]
WRITE = 70  # a write in mid-run: of draws, and not of the empty file


class Stops(ProgramTest):
    def begin(self, name, words, **how):
        """A run in a folder of its own."""
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        return folder / "run.h5", Run(folder, *words, **how)

    def expect_stop(self, going, by):
        self.assertEqual(going.wait(), 75, going.text())
        self.assertEqual(len(going.sentences()), 1, going.text())
        self.assertIn(f"stopped by {by} after ", going.sentences()[0])

    def wait_for(self, path):
        begin = time.monotonic()
        while not path.exists():
            self.assertLess(time.monotonic(), begin + 60)
            time.sleep(0.01)

    def test_every_signal_stops_a_run_that_goes_on_with_the_same_bits(self):
        twin, whole = self.begin("twin", SHORT)
        self.assertEqual(whole.wait(), 0, whole.text())
        cases = [(name, 1, 0) for name in ASKS] + [("SIGTERM", 2, 1), ("SIGUSR1", 2, EVERY_RANK)]
        for name, ranks, rank in cases:
            with self.subTest(signal=name, ranks=ranks, rank=rank):
                fault = Fault("write", WRITE, WRITE, rank, -getattr(signal, name))
                folder = f"{name}_{ranks}"
                path, going = self.begin(folder, [*SHORT, *OFTEN], ranks=ranks, fault=fault)
                self.expect_stop(going, name)
                self.assertLess(len(reports(path)), 15)
                _, rest = self.begin(folder, ["resume", "run.h5", "--quiet"])
                self.assertEqual(rest.wait(), 0, rest.text())
                self.assertEqual(content(path), content(twin))
                self.assertEqual(reports(path), reports(twin))

    def test_mpirun_hands_a_signal_on(self):
        draws = ["--draws", 40, "--thin", 1]
        twin, whole = self.begin("twin", [*LONG, *draws])
        self.assertEqual(whole.wait(), 0, whole.text())
        path, going = self.begin("run", [*LONG, "--thin", 1, "--draws", 100000], ranks=2)
        self.wait_for(path)
        time.sleep(0.5)
        told = time.monotonic()
        going.signal(signal.SIGUSR1, "mpirun")
        self.expect_stop(going, "SIGUSR1")
        self.assertLess(time.monotonic() - told, SOON)
        made, its = committed(path), committed(twin)
        for name, values in its.items():
            count = min(values.shape[1], made[name].shape[1])
            self.assertTrue(same_bits(made[name][:, :count], values[:, :count]), name)

    def test_the_time_limit_counts_in_both_phases(self):
        for name, words in (("warmup", [*WORDS, "--warmup", 100000000]), ("sampling", LONG)):
            with self.subTest(phase=name):
                path, going = self.begin(name, [*words, "--max-walltime", "3s"])
                self.expect_stop(going, "--max-walltime")
                self.assertLess(going.seconds, SOON)
                self.assertTrue(path.with_suffix(".checkpoint").exists())

    def test_a_second_interrupt_ends_at_once(self):
        for name, code in (("SIGINT", -signal.SIGINT), ("SIGTERM", 75)):
            with self.subTest(signal=name):
                path, going = self.begin(name, LONG)
                self.wait_for(path)
                time.sleep(1.0)
                for _ in range(2):
                    going.signal(getattr(signal, name), 0)
                    time.sleep(0.05)
                self.assertEqual(going.wait(), code, going.text())

    def test_what_nohup_ignores_stays_ignored(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        path, going = self.begin("run", LONG)
        self.wait_for(path)
        going.signal(signal.SIGHUP, 0)
        time.sleep(1.0)
        going.signal(signal.SIGTERM, 0)
        self.expect_stop(going, "SIGTERM")


if __name__ == "__main__":
    unittest.main()
