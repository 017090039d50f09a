# SPDX-License-Identifier: BSD-3-Clause
"""What users see during and after a run."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import unittest

from program import ENVIRONMENT, MOONS, ProgramTest, command, run

SIZE = ["--chains", 64, "--warmup", 100, "--draws", 100]


class Progress(ProgramTest):
    def test_a_log_gets_plain_lines_and_one_table(self):
        done = run("sample", MOONS, "-o", self.path("run.h5"), *SIZE, ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\r", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        for once in ("1 rank is without work", "warm-up  100%", "sampling 100%"):
            self.assertEqual(done.stdout.count(once), 1, done.stdout)
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

    def on_terminal(self, columns, kind, ranks):
        """What a terminal of so many columns is sent by a run."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        words = command("sample", MOONS, "-o", self.path("run.h5"), "--force", *SIZE, ranks=ranks)
        environment = dict(ENVIRONMENT, TERM=kind)
        with subprocess.Popen(words, env=environment, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            try:
                while part := os.read(ours, 65536):
                    shown += part
            except OSError:
                pass  # the end of a terminal, as Linux says it
            self.assertEqual(process.wait(timeout=60), 0)
        os.close(ours)
        return shown

    def test_a_terminal_gets_a_live_line(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                shown = self.on_terminal(200, "xterm", ranks)
                self.assertIn(b"\r\x1b[K", shown)
                for word in (b"left", b"acceptance", b"chain-steps/s", b"step size"):
                    self.assertIn(word, shown)

    def test_no_line_is_longer_than_the_terminal(self):
        lines = 0
        for columns in (20, 47, 80):
            for ranks in (None, 2):
                shown = self.on_terminal(columns, "xterm", ranks)
                for part in shown.split(b"\r\x1b[K")[1:]:
                    line = part.split(b"\r\n")[0]
                    self.assertTrue(line.startswith((b"warm-up", b"sampling")), line)
                    self.assertLess(len(line), columns, line)
                    lines += 1
        self.assertGreaterEqual(lines, 12)

    def test_a_terminal_that_cannot_rewrite_a_line_gets_plain_lines(self):
        for ranks in (None, 2):
            shown = self.on_terminal(80, "dumb", ranks)
            self.assertNotIn(b"\x1b", shown)
            self.assertEqual(shown.count(b"sampling 100%"), 1)

    def test_a_run_whose_local_moves_are_all_rejected_says_so(self):
        for options, words in (
            (["--step-size", 1e3, "--no-adapt"], ["smaller --step-size"]),
            (["--step-size", 1e3, "--warmup", 1], ["--exchange-every 1", "--warmup"]),
        ):
            done = run("sample", MOONS, "-o", self.path("run.h5"), "--force", "--quiet", *SIZE, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
            for word in ("hardly any local move was accepted", "stood still between global moves", *words):
                self.assertIn(word, done.stderr)

    def test_quiet_is_quiet(self):
        done = run("sample", MOONS, "-o", self.path("run.h5"), *SIZE, "--quiet", ranks=2)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
