# SPDX-License-Identifier: BSD-3-Clause
"""What users see during and after a run."""

import os
import pty
import subprocess
import unittest

from program import ENVIRONMENT, MOONS, ProgramTest, command, run

SIZE = ["--chains", 64, "--warmup", 100, "--draws", 100]


class Progress(ProgramTest):
    def test_a_log_gets_plain_lines_and_one_table(self):
        done = run("sample", MOONS, "-o", self.path("run.h5"), *SIZE, ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\r", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        for phase in ("warm-up  100%", "sampling 100%"):
            self.assertEqual(done.stdout.count(phase), 1, done.stdout)
        for entry in (
            "acceptance rate, local",
            "acceptance rate, global",
            "step size  ",
            "mean squared jump",
            "non-finite proposals",
            "chain-steps per second",
            "share of time in flow",
            "share of time in exchange",
            "share of time in I/O",
        ):
            self.assertEqual(done.stdout.count(entry), 1, entry)

    def test_a_terminal_gets_a_live_line(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                self.check_live_line(ranks)

    def check_live_line(self, ranks):
        ours, theirs = pty.openpty()
        words = command("sample", MOONS, "-o", self.path("run.h5"), "--force", *SIZE, ranks=ranks)
        with subprocess.Popen(words, env=ENVIRONMENT, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            try:
                while part := os.read(ours, 65536):
                    shown += part
            except OSError:
                pass  # the end of a terminal, as Linux says it
            self.assertEqual(process.wait(timeout=60), 0)
        os.close(ours)
        self.assertIn(b"\r\x1b[K", shown)
        self.assertIn(b"left", shown)
        self.assertIn(b"acceptance", shown)

    def test_quiet_is_quiet(self):
        done = run("sample", MOONS, "-o", self.path("run.h5"), *SIZE, "--quiet", ranks=2)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
