# SPDX-License-Identifier: BSD-3-Clause
"""Starts runs that are stopped, killed or fail, and looks at what they leave behind."""

import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

import h5py
import numpy as np

from program import ENVIRONMENT, PROGRAM, preloaded

FAULTS = os.environ["FLOTILLA_FAULTS"]
EVERY_RANK = -1
CALLS = ("write", "sync", "close", "rename", "resize", "reserve")
DOES_WITHOUT = "the run goes on, and the checkpoint before it counts"  # a failed one
HUNG = 90  # seconds after which a run is ended, on a busy machine
ALONE = 20  # likewise an mpirun without ranks

# What a run file says of the time, the machine and the place, and not of the draws.
OF_THE_TIME = {
    "created_at", "run_id", "ranks", "warmup_seconds", "sampling_seconds", "chain_steps_per_second",
    "flow_share", "exchange_share", "output_share", "effective_draws_per_second", "config",
    "checkpoint_seconds", "checkpoint_megabytes",
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """Calls of one kind that fail, or at which a signal comes: see faults/faults.c."""

    call: str
    first: int
    last: int
    rank: int
    how: int

    def environment(self):
        return {
            "FAULTS_CALL": self.call,
            "FAULTS_AT": str(self.first),
            "FAULTS_LAST": str(self.last),
            "FAULTS_RANK": str(self.rank),
            "FAULTS_HOW": str(self.how),
        }


def is_alive(process):
    """Whether a process lives and is no zombie."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Run:
    """A run of the program in its own folder, under way or ended."""

    def __init__(self, folder, *arguments, ranks=1, fault=None, counts=None):
        environment = dict(ENVIRONMENT, FAULTS_FOLDER=str(folder))
        # The sanitizer wants to be the first library; it need not be.
        options = ENVIRONMENT.get("ASAN_OPTIONS", "")
        environment["ASAN_OPTIONS"] = options + ":verify_asan_link_order=0"
        if fault is not None:
            environment |= fault.environment()
        if counts is not None:
            environment["FAULTS_COUNTS"] = str(counts)
        words = ["env", f"LD_PRELOAD={preloaded(FAULTS)}", PROGRAM, *map(str, arguments)]
        if ranks > 1:
            words = ["mpirun", "-n", str(ranks), *words]
        self.under_mpirun = ranks > 1
        self.begin = time.monotonic()
        self.errors = pathlib.Path(f"{folder}.errors")
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                words, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )

    def ranks(self):
        """The processes of its ranks, as many as there are by now."""
        if not self.under_mpirun:
            return [self.process.pid]
        found = []
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text(encoding="ascii").split()]
            except OSError:
                continue
        return found

    def signal(self, number, victim):
        """Sends a signal to one of its processes: a place in ranks(), "mpirun" or "all"."""
        ranks = self.ranks()
        launcher = [self.process.pid]
        chosen = {"mpirun": launcher, "all": [*ranks, *launcher]}.get(victim)
        if chosen is None:
            chosen = ranks[victim % len(ranks) :][:1] if ranks else []
        for process in dict.fromkeys(chosen):
            if self.process.poll() is None and is_alive(process):
                os.kill(process, number)

    def wait(self):
        """Waits until every process of it has ended; its exit code."""
        ranks = self.ranks()
        alone = 0  # tenths of a second in which mpirun had no rank left
        while self.process.poll() is None and alone < 10 * ALONE:
            ranks += [process for process in self.ranks() if process not in ranks]
            lives = any(map(is_alive, ranks))
            alone = alone + 1 if self.under_mpirun and ranks and not lives else 0
            if time.monotonic() > self.begin + HUNG:
                for process in [self.process.pid, *filter(is_alive, ranks)]:
                    os.kill(process, signal.SIGKILL)
                self.process.wait()
                raise AssertionError(f"hung: {self.process.args}")
            time.sleep(0.1 if alone else 0.01)
        if self.process.poll() is None:
            # Open MPI 4.1: a rank that is killed while it connects may leave mpirun, which has told
            # of it and has ended all others, waiting for a lock of its own.
            print("mpirun did not end after its ranks had, and was killed", flush=True)
            self.process.kill()
            self.process.wait()
        # The ranks of an mpirun that was killed notice a little later.
        while any(map(is_alive, ranks)) and time.monotonic() < self.begin + HUNG:
            time.sleep(0.01)
        assert not any(map(is_alive, ranks)), "ranks hang"
        self.seconds = time.monotonic() - self.begin
        return self.process.returncode

    def text(self):
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def sentences(self):
        """What the program itself said."""
        return [line for line in self.text().splitlines() if line.startswith("flotilla: ")]


def content(path):
    """What a run file holds: types, shapes, chunks and bytes of datasets by name, and facts."""
    found = {}

    def look(name, item):
        for key, value in item.attrs.items():
            if key in OF_THE_TIME or key in ("DIMENSION_LIST", "REFERENCE_LIST"):
                continue
            found[f"{name}@{key}"] = np.asarray(value).tobytes()
        if isinstance(item, h5py.Dataset):
            digest = hashlib.sha256(np.ascontiguousarray(item[()]).tobytes()).hexdigest()
            found[name] = (item.dtype.str, item.shape, item.chunks, digest)

    with h5py.File(path, "r") as file:
        look("", file)
        file.visititems(look)
    return found


def reports(path):
    """The lines of reports beside a run file, but for the time."""
    beside = pathlib.Path(path).with_suffix(".jsonl")
    if not beside.exists():
        return None
    lines = beside.read_text(encoding="utf-8").splitlines()
    return [{**json.loads(line), "seconds": 0} for line in lines]


def committed(path):
    """The draws of a run file that count, by dataset: what a reader may go by."""
    found = {}
    with h5py.File(path, "r") as file:
        for phase in ("", "warmup_"):
            if f"{phase}draws_committed" not in file:
                continue
            draws = int(file[f"{phase}draws_committed"][()])
            for group in ("posterior", "unconstrained_posterior", "sample_stats"):
                for name, item in file.get(phase + group, {}).items():
                    if item.ndim >= 2:
                        found[item.name] = item[:, :draws]
    return found
