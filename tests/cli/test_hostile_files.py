# SPDX-License-Identifier: BSD-3-Clause
"""Run files and flow files made to do harm: each is read, or refused in one sentence.

FLOTILLA_HOSTILE_FILES=500 tries that many of each kind of random change, in place of a few.
"""

import os
import random
import shutil
import subprocess
import sys
import unittest

import h5py
import numpy as np

from program import ENVIRONMENT, MOONS, SOURCE, ProgramTest, command, random_flow, run

TRIED = int(os.environ.get("FLOTILLA_HOSTILE_FILES", "25"))
TIME_LIMIT = 180  # seconds, on a busy machine
ESCAPE = "\x1b[2J\x07"
SIZES = (0, 1, 2, 3, 1000, 10**6, 2**31, 2**40, 2**62)
VALUES = (0, -1, 1e300, np.nan, np.inf, 2**62, np.zeros(3), np.zeros((0, 2)), "text", ESCAPE, b"\xff")


def objects(file):
    """The names of all groups and datasets."""
    names = []
    file.visit(names.append)
    return names


def replace(file, name, **how):
    """Makes a dataset anew, with another shape, type, layout or value."""
    del file[name]
    file.create_dataset(name, **how)


def change_shape(file, name, rng):
    shape = [rng.choice(SIZES) for _ in range(rng.randrange(4))]
    chunks = tuple(1 for _ in shape) if shape and min(shape) > 0 and rng.random() < 0.7 else None
    replace(file, name, shape=tuple(shape), dtype=rng.choice(["f4", "f8", "i1"]), chunks=chunks)


def change_value(file, name, rng):
    replace(file, name, data=rng.choice(VALUES))


def change_kind(file, name, _rng):
    del file[name]
    file.create_group(name)


def remove(file, name, _rng):
    del file[name]


def link_outside(file, name, _rng):
    del file[name]
    file[name] = h5py.ExternalLink("pipe", "/x")


def link_in_a_circle(file, name, _rng):
    del file[name]
    file[name] = h5py.SoftLink(f"/{name}")


def link_to_the_root(file, name, _rng):
    del file[name]
    file[name] = file["/"]


def store_outside(file, name, rng):
    shape = file[name].shape if isinstance(file[name], h5py.Dataset) and file[name].shape else (3,)
    del file[name]
    if rng.random() < 0.5:
        layout = h5py.VirtualLayout(shape=shape, dtype="f8")
        layout[...] = h5py.VirtualSource("pipe", "x", shape=shape)
        file.create_virtual_dataset(name, layout)
    else:
        file.create_dataset(name, shape=shape, dtype="f8", external=[("pipe", 0, 8)])


def change_attribute(file, name, rng):
    item = file[name]
    if len(item.attrs):
        item.attrs[rng.choice(sorted(item.attrs))] = rng.choice(VALUES)
    else:
        item.attrs[ESCAPE] = ESCAPE


def change_root_attribute(file, _name, rng):
    file.attrs[rng.choice(sorted(file.attrs))] = rng.choice(VALUES)


def add_entry(file, name, rng):
    parent = name.rpartition("/")[0] or "/"
    file[parent].create_dataset(ESCAPE, data=rng.choice(VALUES[:7]))


CHANGES = (
    change_shape,
    change_value,
    change_kind,
    remove,
    link_outside,
    link_in_a_circle,
    link_to_the_root,
    store_outside,
    change_attribute,
    change_root_attribute,
    add_entry,
)


def script(name, *arguments):
    """The words of a script."""
    program = ["--flotilla", command()[0]]
    return [sys.executable, str(SOURCE / "scripts" / name), *arguments, *program]


class HostileFiles(ProgramTest):
    def setUp(self):
        super().setUp()
        os.mkfifo(self.path("pipe"))

    def harmed(self, path, seed):
        """A copy of a file with one random change; its path, and what was changed."""
        rng = random.Random(seed)
        copy = self.path(f"harmed_{seed}.h5")
        while True:
            shutil.copy(path, copy)
            with h5py.File(copy, "r+") as file:
                name, change = rng.choice(objects(file)), rng.choice(CHANGES)
                try:
                    change(file, name, rng)
                    return copy, f"{seed}: {change.__name__} {name}"
                except (KeyError, OSError, RuntimeError, TypeError, ValueError):
                    pass  # what HDF5 does not write

    def expect_told(self, words, what, codes):
        """Runs a command. It ends in time with one of these codes; a failure is one sentence."""
        done = subprocess.run(
            words,
            env=ENVIRONMENT,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT,
        )
        error = done.stderr.decode()
        self.assertIn(done.returncode, codes, (what, error))
        self.assertNotIn("Traceback", error, what)
        self.assertNotIn("unexpected", error, what)
        for output in (done.stdout.decode(), error):
            self.assertNotIn("\x1b", output, what)
            self.assertNotIn("\x07", output, what)
        if done.returncode == 2:
            self.assertTrue(error.splitlines(), what)
        return done.returncode

    def test_a_run_file_with_any_change_is_read_or_refused(self):
        path = self.sample("--chains", 8, "--draws", 6, "--warmup", 20, "--superchains", 2)
        refused = noticed = 0
        for seed in range(TRIED):
            copy, what = self.harmed(path, seed)
            refused += self.expect_told(command("summary", copy), what, (0, 2)) == 2
            noticed += self.expect_told(command("verify", copy), what, (0, 2, 3)) != 0
            if seed % 10 == 0:
                self.expect_told(command("summary", copy, "--json"), what, (0, 2))
                self.expect_told(script("plot_run.py", copy), what, (0, 1, 2))
                self.expect_told(script("report.py", copy), what, (0, 1, 2))
            os.remove(copy)
        self.assertGreater(refused, TRIED // 8)
        self.assertGreater(noticed, TRIED // 2)

    def test_a_flow_file_with_any_change_is_read_or_refused(self):
        path = random_flow(self.path("flow.h5"), "--dim", 3, "--layers", 1, "--widths", 2)
        refused = 0
        for seed in range(TRIED):
            copy, what = self.harmed(path, seed)
            refused += self.expect_told(command("flow", "show", copy), what, (0, 2)) == 2
            os.remove(copy)
        self.assertGreater(refused, TRIED // 8)

    def test_run_files_that_claim_more_than_a_summary_gets_through(self):
        def claim(shape, chunks):
            def change(file):
                replace(file, "posterior/x", shape=shape, chunks=chunks, dtype="f4")
                replace(file, "draws_committed", data=np.int64(shape[1]))

            return change

        path = self.sample("--chains", 8, "--draws", 6, "--warmup", 20)
        refused = 0
        for change, words in (
            (claim((10**6, 10**6, 2), (100, 100, 2)), "at most 1e+12 values"),
            (claim((10, 10, 10**8), (1, 1, 10**4)), "coordinates"),
            (claim((10**4, 10**4, 2), (100, 100, 2)), "stores fewer"),
        ):
            copy = self.path("claim.h5")
            shutil.copy(path, copy)
            with h5py.File(copy, "r+") as file:
                change(file)
            for ranks in (None, 2):
                done = run("summary", copy, ranks=ranks)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
                self.assertIn(words, done.stderr)
                refused += 1
        self.assertEqual(refused, 6)

    def test_text_of_a_flow_does_not_steer_the_terminal(self):
        path = self.path("flow.h5")
        shutil.copy(MOONS, path)
        with h5py.File(path, "r+") as file:
            file["provenance"].attrs[ESCAPE] = "\u009b31m" + ESCAPE
        done = run("flow", "show", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\\x1b[2J\\x07", done.stdout)
        self.assertIn("\\xc2\\x9b31m", done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_a_process_without_room_for_mpi_is_told(self):
        words = " ".join(command("flow", "show", MOONS))
        limited = ["bash", "-c", f"ulimit -v 200000; exec {words}"]
        self.assertEqual(self.expect_told(limited, "200000 kB", (1,)), 1)


if __name__ == "__main__":
    unittest.main()
