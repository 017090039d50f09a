# SPDX-License-Identifier: BSD-3-Clause
"""Runs the built program as a user does, alone or under mpirun, with a time limit."""

import atexit
import math
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

PROGRAM = os.environ["FLOTILLA_PROGRAM"]
PYTHON = os.environ["FLOTILLA_PYTHON"]
SOURCE = pathlib.Path(os.environ["FLOTILLA_SOURCE"])
FLOWS = SOURCE / "apps" / "flows"
MOONS = str(FLOWS / "two_moons.h5")

# It includes Open MPI's settings: see tests/surroundings.cmake. The temporary folder is this test's
# own: an mpirun that ends removes the folder of sessions that another one is about to enter.
SESSIONS = tempfile.mkdtemp(prefix="flotilla_sessions_")
atexit.register(shutil.rmtree, SESSIONS, ignore_errors=True)
ENVIRONMENT = {**os.environ, "TMPDIR": SESSIONS}
TIME_LIMIT = 180  # seconds, on a busy machine: longer means hanging


def preloaded(library):
    """The value of LD_PRELOAD that loads a library before those that tests load anyway."""
    return ":".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))


def command(*arguments, ranks=None):
    """The words of a command line, under mpirun if a number of ranks is given."""
    prefix = [] if ranks is None else ["mpirun", "-n", str(ranks)]
    return [*prefix, PROGRAM, *map(str, arguments)]


def run(*arguments, ranks=None, directory=None):
    """Runs the program to its end; a CompletedProcess with text in stdout and stderr."""
    return subprocess.run(
        command(*arguments, ranks=ranks),
        env=ENVIRONMENT,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        stdin=subprocess.DEVNULL,
    )


def memory_of(*arguments):
    """The peak memory of a run of the program, in bytes."""
    process = subprocess.Popen(command(*arguments), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


def random_flow(path, *arguments):
    """Writes an untrained flow with scripts/random_flow.py; returns its path."""
    script = SOURCE / "scripts" / "random_flow.py"
    words = [PYTHON, str(script), "-o", path, *map(str, arguments)]
    subprocess.run(words, check=True, capture_output=True, timeout=TIME_LIMIT)
    return path


def script(name, *arguments):
    """Runs a script to its end; a CompletedProcess with text in stdout and stderr."""
    return subprocess.run(
        [PYTHON, str(SOURCE / "scripts" / name), *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )


def small_study(name):
    """Makes a study of 16 chains in which every second cell fails; the path of its output."""
    with open(f"{name}.toml", "w", encoding="utf-8") as file:
        file.write(
            f'seeds = [1, 2]\n[sample]\nflow = "{MOONS}"\nchains = 16\nwarmup = 5\n'
            "[list]\ndraws = [30, 30]\nsuperchains = [0, 7]\n[grid]\nbeta = [0, 1]\n"
        )
    done = run("study", f"{name}.toml", "-o", f"{name}.h5", "--quiet")
    assert done.returncode == 3, done.stderr
    return f"{name}.h5"


def datasets(path):
    """Every dataset of a file, by name."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]})
            if isinstance(item, h5py.Dataset)
            else None
        )
    return found


def moments(path):
    """(mean, standard error) of x_i and x_i^2, from the spread between chains."""
    with h5py.File(path, "r") as file:
        x = file["posterior/x"][()].astype(float)
    by_chain = np.concatenate([x.mean(axis=1), (x**2).mean(axis=1)], axis=1)
    error = by_chain.std(axis=0, ddof=1) / math.sqrt(len(by_chain))
    return list(zip(by_chain.mean(axis=0), error))


def same_bits(one, other):
    """Whether two arrays have the same shape, type and bytes."""
    one, other = np.asarray(one), np.asarray(other)
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


class ProgramTest(unittest.TestCase):
    """A test with its own directory."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="flotilla_"))
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, name):
        return str(self.directory / name)

    def sample(self, *arguments, flow=MOONS, output="run.h5", ranks=None):
        """Makes a run that has to succeed; returns the path of its file."""
        path = self.path(output)
        done = run("sample", flow, "-o", path, "--quiet", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def assert_same_datasets(self, one, other):
        one, other = datasets(one), datasets(other)
        self.assertEqual(one.keys(), other.keys())
        self.assertGreater(len(one), 5)
        for name in one:
            self.assertTrue(same_bits(one[name], other[name]), name)
