# SPDX-License-Identifier: BSD-3-Clause
"""Whatever kills a run, whenever: it goes on, and in the end it is the run that would have been.

A story is a run that is killed or stopped again and again, and resumed, each time on another number
of ranks, until it is done. FLOTILLA_KILLS says after how many kills the stories end (a few without
it; 300 take half an hour), FLOTILLA_SEED which stories they are, and FLOTILLA_CALLS at how many
calls on files a run is killed or fails.
"""

import collections
import errno
import os
import pathlib
import random
import shutil
import signal
import tempfile
import time
import unittest

from interrupted import CALLS, DOES_WITHOUT, EVERY_RANK, Fault, Run, committed, content, reports
from program import MOONS, ProgramTest, same_bits

KILLS = int(os.environ.get("FLOTILLA_KILLS", "8"))
SEED = int(os.environ.get("FLOTILLA_SEED", "1"))
DENSITIES = pathlib.Path(os.environ["FLOTILLA_DENSITIES"])
CALLS_TRIED = int(os.environ.get("FLOTILLA_CALLS", "4"))
RANKS_TRIED = (1, 2) if CALLS_TRIED < 100 else (1, 2, 3)
MOST = 9  # disturbances of one story
DONE = (0, 3)  # 3: done, and --until-rhat was not met

ASKS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU,
        signal.SIGHUP)
KERNELS = (
    ["--kernel", "ghmc"],
    ["--kernel", "ghmc", "--global-fraction", 0],
    ["--kernel", "mala"],
    ["--kernel", "metric-mala"],
    ["--kernel", "metric-mala", "--global-fraction", 1],
)
TARGETS = (
    [],
    ["--beta", 0.5],
    ["--target", "clipped", "--clip-quantile", 0.6],
    ["--target", "explicit", "--density", DENSITIES / "banana.so"],
    ["--target", "explicit", "--density", DENSITIES / "gaussian_mixture.so"],
)
MOST_OFTEN = ["--checkpoint-every", 0.0002]


def options_of_story(choose):
    """The options of a run, at random."""
    draws = choose.choice((150, 205, 390))
    options = ["--chains", 156, "--tile-width", 32, "--warmup", choose.choice((0, 7, 40, 63))]
    options += ["--thin", choose.choice((1, 1, 2, 3)), "--seed", choose.randrange(1000)]
    options += choose.choice(KERNELS) + choose.choice(TARGETS)
    options += ["--precision", choose.choice(("float", "double"))]
    options += choose.choice(([], ["--save-warmup"])) + choose.choice(([], ["--no-latent"]))
    options += choose.choice(([], [], ["--no-adapt"], ["--no-scale"]))
    options += choose.choice(([], ["--superchains", 39]))
    options += choose.choice(
        (
            ["--report-every", 0],
            ["--report-every", 7],
            ["--report-every", 40],
            ["--report-every", 40, "--until-rhat", choose.choice((1.0001, 1.02, 1.2))],
            ["--report-every", 100, "--until-ess", choose.choice((100, 1e9))],
        )
    )
    return draws, options


class Disturbance:
    """When and how a run is disturbed: at a call on a file, or after a time."""

    def __init__(self, choose, ranks, calls, seconds):
        hard = choose.random() < 0.6
        self.signal = signal.SIGKILL if hard else choose.choice(ASKS)
        self.ranks = ranks
        self.fault, self.after, self.victim = None, None, None
        if choose.random() < 0.6:
            call = choose.choices(CALLS, weights=[8, 2, 2, 2, 1, 1])[0]
            number = choose.randint(1, max(1, calls[call]))
            rank = choose.choice((EVERY_RANK, choose.randrange(ranks)))
            self.fault = Fault(call, number, number, rank, -self.signal)
        else:
            self.after = choose.uniform(0.0, 1.1 * seconds)
            self.victim = choose.choice(("mpirun", "all", choose.randrange(ranks)))

    def __repr__(self):
        where = self.fault or f"{self.after:.3f} s, {self.victim}"
        return f"{signal.Signals(self.signal).name} on {self.ranks} ranks at {where}"

    def strikes_mpirun(self):
        return self.ranks > 1 and self.victim in ("mpirun", "all")

    def start(self, folder, words):
        run = Run(folder, *words, ranks=self.ranks, fault=self.fault)
        if self.after is not None:
            time.sleep(self.after)
            run.signal(self.signal, self.victim)
        return run


class ResumeTest(ProgramTest):
    """Runs that are disturbed, and the twin of each that is not."""

    def folder(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.directory))

    def make_twin(self, words, ranks=1):
        """The run without a disturbance; each rank's calls of each kind; its seconds."""
        folder = self.folder()
        run = Run(folder, *words, ranks=ranks, counts=f"{folder}.calls")
        self.assertIn(run.wait(), DONE, run.text())
        calls = []
        for rank in range(ranks):
            text = pathlib.Path(f"{folder}.calls.{rank}").read_text(encoding="ascii")
            calls.append({kind: int(count) for kind, count in map(str.split, text.splitlines())})
        return folder / "run.h5", calls, run.seconds

    def check_killed(self, path, whole, history):
        """Every draw that counts in a killed run's file is the one that its twin has."""
        if not path.exists():
            return
        looked = 0
        for name, values in committed(path).items():
            if name in whole:
                # Where the twin ended early, a run that did not know yet has more draws.
                draws = min(values.shape[1], whole[name].shape[1])
                equal = same_bits(values[:, :draws], whole[name][:, :draws])
                self.assertTrue(equal, (name, history))
                looked += 1
        self.assertGreater(looked, 7)

    def check_done(self, path, twin, history):
        mine, its = content(path), content(twin)
        self.assertEqual(sorted(mine), sorted(its), history)
        self.assertGreater(len(its), 30)
        differing = [name for name, value in its.items() if mine[name] != value]
        self.assertEqual(differing, [], history)
        self.assertEqual(reports(path), reports(twin), history)

    def expect_no_crash(self, run, history):
        text = run.text()
        if "mpirun(+" in text:  # an mpirun that a signal strikes at its end may itself crash
            text = "\n".join(run.sentences())
        for word in ("terminate called", "Segmentation", "HDF5-DIAG", "rror in file"):
            self.assertNotIn(word, text, history)


class Stories(ResumeTest):
    def tell(self, choose, kills):
        """One story. Returns how many of its runs were killed or stopped."""
        draws, options = options_of_story(choose)
        words = ["sample", MOONS, "-o", "run.h5", "--quiet", *options]
        twin, calls, seconds = self.make_twin([*words, *MOST_OFTEN, "--draws", draws])
        whole = committed(twin)
        folder = self.folder()
        path = folder / "run.h5"
        # Some are begun for fewer draws, and extended once they are done, or before.
        fewer = choose.choice((draws, draws, choose.randint(1, draws)))
        goal, struck = fewer, 0
        history = [options, draws, fewer]
        for attempt in range(3 * MOST):
            if goal < draws and (attempt > MOST or choose.random() < 0.2):
                goal = draws
            ranks = choose.choice((1, 1, 2, 3, 5))
            resume = path.exists() and choose.random() < 0.5
            now = ["resume", "run.h5", "--quiet"] if resume else [*words, "--resume"]
            now += ["--draws", goal, *MOST_OFTEN]
            if attempt < MOST and kills + struck < KILLS:
                disturbance = Disturbance(choose, ranks, calls[0], seconds)
                run = disturbance.start(folder, now)
            else:
                disturbance = f"none on {ranks} ranks"
                run = Run(folder, *now, ranks=ranks)
            code = run.wait()
            history.append((now[0], goal, disturbance, code, run.sentences()))
            self.codes[code] += 1
            self.expect_no_crash(run, history)
            if code in DONE and goal == draws:
                self.check_done(path, twin, history)
                return struck
            if code in DONE:
                goal = draws
                continue
            self.assertIsInstance(disturbance, Disturbance, history)
            self.assertNotEqual(code, 2, history)
            # An mpirun that a signal ends has an exit code of its own.
            self.assertTrue(code != 1 or disturbance.strikes_mpirun(), history)
            struck += 1
            if goal == draws:
                self.check_killed(path, whole, history)
        self.fail(f"the story has no end: {history}")

    def test_a_run_that_is_killed_again_and_again(self):
        self.codes = collections.Counter()
        kills, stories = 0, 0
        while kills < KILLS:
            seed = 1000 * SEED + stories
            with self.subTest(story=seed):
                kills += self.tell(random.Random(seed), kills)
            stories += 1
            self.assertLess(stories, 10 * KILLS)
        print(f"{kills} kills in {stories} stories; exit codes {dict(self.codes)}")


class Calls(ResumeTest):
    """A call on a file at which a run is killed, or that fails."""

    WORDS = ["sample", MOONS, "-o", "run.h5", "--quiet", "--chains", 64, "--tile-width", 32,
             "--warmup", 8, "--draws", 40, "--report-every", 15, "--save-warmup"]
    # The second ends early, and takes what it did not need from its file.
    KINDS = ([], ["--until-ess", 100])
    # A number that is below 0 is a signal: see faults/faults.c.
    MANNERS = [(call, -signal.SIGKILL) for call in CALLS] + [
        ("write", errno.ENOSPC),
        ("sync", errno.EIO),
        ("close", errno.EIO),
        ("rename", errno.EIO),
        ("resize", errno.EIO),
        ("reserve", errno.ENOSPC),
    ]

    def faults(self, calls):
        every = [
            Fault(call, number, number, rank, how)
            for rank, numbers in enumerate(calls)
            for call, how in self.MANNERS
            for number in range(1, numbers[call] + 1)
        ]
        return random.Random(SEED).sample(every, min(CALLS_TRIED, len(every)))

    def check(self, fault, ranks, words, twin):
        """A run with a fault, and the one that goes on from it; the first one's exit code."""
        folder = self.folder()
        path = folder / "run.h5"
        run = Run(folder, *words, ranks=ranks, fault=fault)
        code = run.wait()
        told = (code, run.sentences())
        self.expect_no_crash(run, told)
        if fault.how > 0:
            self.assertIn(code, (*DONE, 1), told)
            # A run does without a checkpoint.
            fatal = [line for line in run.sentences() if DOES_WITHOUT not in line]
            self.assertEqual(len(fatal), 0 if code in DONE else 1, told)
        if code in DONE:
            self.check_done(path, twin, told)
        else:
            self.check_killed(path, committed(twin), told)
        again = Run(folder, *words, "--resume", ranks=1 if ranks > 1 else 2)
        self.assertIn(again.wait(), DONE, (told, again.text()))
        self.check_done(path, twin, told)
        left = [entry.name for entry in folder.iterdir() if "unfinished" in entry.name]
        self.assertEqual(left, [], told)
        shutil.rmtree(folder)
        return code

    def test_a_call_that_kills_or_fails(self):
        for ranks in RANKS_TRIED:
            for kind in self.KINDS:
                words = [*self.WORDS, *kind, *MOST_OFTEN]
                twin, calls, _ = self.make_twin(words, ranks)
                codes, begin = collections.Counter(), time.monotonic()
                for fault in self.faults(calls):
                    with self.subTest(ranks=ranks, kind=kind, fault=fault):
                        code = self.check(fault, ranks, words, twin)
                        codes["killed" if fault.how < 0 else "failed", code] += 1
                print(f"{ranks} ranks: {dict(codes)}, {time.monotonic() - begin:.0f} s")
                self.assertGreaterEqual(sum(codes.values()), min(4, CALLS_TRIED))


if __name__ == "__main__":
    unittest.main()
