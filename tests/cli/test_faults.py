# SPDX-License-Identifier: BSD-3-Clause
"""Whatever call on a file fails, on whichever rank: the run ends soon and says what it keeps.

With FLOTILLA_EVERY_FAULT=1 in the environment every call fails once, on 1, 2 and 3 ranks: half an
hour. Else a few of each kind do.
"""

import dataclasses
import errno
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from interrupted import DOES_WITHOUT, EVERY_RANK, FAULTS, Fault
from program import ENVIRONMENT, MOONS, PROGRAM, ProgramTest, datasets, preloaded, same_bits

EVERY = os.environ.get("FLOTILLA_EVERY_FAULT") == "1"
SOON = 10  # seconds from a failure to the end of all ranks
HUNG = 30  # seconds after which a run is ended
FEW = 2  # numbers of calls that fail, where not every number is tried

SIZE = ["--chains", 64, "--tile-width", 32, "--warmup", 4, "--draws", 20, "--report-every", 20,
        "--step-size", 0.3, "--no-adapt"]
SHORT = 0  # in place of an error: half of the bytes are written
ALL_LATER = 0


@dataclasses.dataclass
class Outcome:
    """What became of a run: its exit code, its own sentences, its files."""

    code: int
    sentences: list
    seconds: float
    folder: pathlib.Path


class Faults(ProgramTest):
    def start(self, ranks, fault):
        """Runs the program below a folder of its own, with a fault or none."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        run = folder / "run"
        run.mkdir()
        environment = dict(ENVIRONMENT, FAULTS_FOLDER=str(run), FAULTS_COUNTS=str(folder / "calls"))
        # The sanitizer wants to be the first library; it need not be.
        options = ENVIRONMENT.get("ASAN_OPTIONS", "")
        environment["ASAN_OPTIONS"] = options + ":verify_asan_link_order=0"
        if fault is not None:
            environment |= fault.environment()
        words = ["sample", MOONS, "-o", "run.h5", "--quiet", *map(str, SIZE)]
        command = ["env", f"LD_PRELOAD={preloaded(FAULTS)}", PROGRAM, *words]
        if ranks > 1:
            command = ["mpirun", "-n", str(ranks), *command]
        begin = time.monotonic()
        with subprocess.Popen(
            command, env=environment, cwd=run, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as process:
            try:
                _, text = process.communicate(timeout=HUNG)
            except subprocess.TimeoutExpired:
                process.terminate()  # mpirun ends its ranks
                _, text = process.communicate()
        seconds = time.monotonic() - begin
        ours = [line for line in text.splitlines() if line.startswith("flotilla: ")]
        return Outcome(process.returncode, ours, seconds, folder)

    def calls(self, outcome, rank):
        """How many calls of each kind a rank made."""
        text = (outcome.folder / f"calls.{rank}").read_text(encoding="ascii")
        return {kind: int(count) for kind, count in (line.split() for line in text.splitlines())}

    def check(self, outcome, whole):
        """Holds an outcome against the run without a fault; returns whether it said something."""
        self.assertLess(outcome.seconds, whole.seconds + SOON)
        output = outcome.folder / "run" / "run.h5"
        reference = datasets(whole.folder / "run" / "run.h5")
        # A run does without a checkpoint.
        fatal = [sentence for sentence in outcome.sentences if DOES_WITHOUT not in sentence]
        if outcome.code == 0:
            self.assertEqual(fatal, [])
            found = datasets(output)
            self.assertEqual(found.keys(), reference.keys())
            for name, values in reference.items():
                self.assertTrue(same_bits(found[name], values), name)
            lines = (outcome.folder / "run" / "run.jsonl").read_text(encoding="utf-8")
            self.assertEqual(lines.count("\n"), 1)
            return bool(outcome.sentences)
        self.assertEqual(outcome.code, 1)
        self.assertEqual(len(fatal), 1, outcome.sentences)
        sentence = fatal[0]
        self.assertIn("cannot write", sentence)
        kept = re.search(r"keeps (\d+) complete draws", sentence)
        if kept is not None:
            draws = int(kept.group(1))
            found = datasets(output)
            self.assertGreaterEqual(int(found["draws_committed"]), draws)
            for name in ("posterior/x", "unconstrained_posterior/z", "sample_stats/lp"):
                self.assertTrue(same_bits(found[name][:, :draws], reference[name][:, :draws]), name)
        elif not output.exists():
            left = [path.name for path in output.parent.iterdir() if "unfinished" in path.name]
            self.assertEqual(left, [])
        return True

    def faults(self, whole, ranks):
        """The faults to try, and a few more numbers than there are calls."""
        for rank in range(ranks):
            calls = self.calls(whole, rank)
            manners = [
                ("write", ALL_LATER, errno.ENOSPC),
                ("write", None, errno.EIO),
                ("write", None, SHORT),
                ("sync", None, errno.EIO),
                ("sync", ALL_LATER, errno.ENOSPC),
                ("close", None, errno.EIO),
                ("rename", None, errno.EIO),
                ("resize", ALL_LATER, errno.EIO),
                ("reserve", ALL_LATER, errno.ENOSPC),
            ]
            for call, last, how in manners:
                numbers = range(1, calls[call] + 1)
                if not EVERY and len(numbers) > FEW:
                    step = len(numbers) / FEW
                    numbers = [numbers[int(step * (k + 0.5))] for k in range(FEW)]
                for first in numbers:
                    yield Fault(call, first, first if last is None else last, rank, how)
        # A full disk is full for all.
        for first in (1, 5, 25):
            yield Fault("write", first, ALL_LATER, EVERY_RANK, errno.ENOSPC)

    def test_a_run_whose_calls_fail(self):
        for ranks in (1, 2, 3) if EVERY else (1, 2):
            whole = self.start(ranks, None)
            self.assertEqual(whole.code, 0, whole.sentences)
            begin, tried, told = time.monotonic(), 0, 0
            for fault in self.faults(whole, ranks):
                with self.subTest(ranks=ranks, fault=fault):
                    outcome = self.start(ranks, fault)
                    told += self.check(outcome, whole)
                    shutil.rmtree(outcome.folder)
                tried += 1

            print(f"{ranks} ranks: {tried} faults, {told} told, {time.monotonic() - begin:.0f} s")
            self.assertGreater(told, 10)


if __name__ == "__main__":
    unittest.main()
