# SPDX-License-Identifier: BSD-3-Clause
"""What plot_run.py, plot_study.py and report.py make of files that are damaged, odd, or were made
to harm."""

import os
import shutil
import unittest
from unittest import mock

import h5py
import numpy as np
import plot_run
import plot_study
import report
from flotilla_tools import hdf5_files
from flotilla_tools.plotting import convergence
from in_process import SCRIPTS, start
from program import MOONS, ProgramTest, small_study

FORBIDDEN = "\x1b[31m"


def replace(name, **content):
    """A damage: another dataset, or none, in the place of this one."""

    def damage(file):
        del file[name]
        if content:
            file.create_dataset(name, **content)

    return damage


def link(name, target):
    def damage(file):
        del file[name]
        file[name] = target

    return damage


def fill(name, value):
    def damage(file):
        file[name][...] = value

    return damage


def virtual(file):
    del file["posterior/x"]
    layout = h5py.VirtualLayout((8, 30, 2), dtype="f4")
    layout[...] = h5py.VirtualSource("elsewhere.h5", "x", shape=(8, 30, 2))
    file.create_virtual_dataset("posterior/x", layout)


REFUSED = {
    "no group": lambda file: file.pop("posterior"),
    "no statistics": lambda file: file.pop("sample_stats"),
    "no array": replace("posterior/x"),
    "a group for an array": lambda file: (file.pop("start/x"), file.create_group("start/x")),
    "one axis too few": replace("posterior/x", data=np.zeros((8, 30), "f4")),
    "one axis too many": replace("sample_stats/lp", data=np.zeros((8, 30, 2))),
    "texts": replace("sample_stats/is_global", data=np.full((8, 30), b"no")),
    "pairs": replace("posterior/x", shape=(8, 30, 2), dtype=[("a", "f4"), ("b", "i4")]),
    "no chain": replace("posterior/x", shape=(0, 30, 2), dtype="f4"),
    "no dimension": replace("posterior/x", shape=(8, 30, 0), dtype="f4"),
    "other chains": replace("sample_stats/lp", data=np.zeros((9, 30))),
    "a latent point too few": replace("unconstrained_posterior/z", data=np.zeros((8, 29, 2))),
    "starts elsewhere": replace("start/x", data=np.zeros((8, 3))),
    "null": replace("draws_committed", data=h5py.Empty("i8")),
    "two counts": replace("draws_committed", data=[30, 30]),
    "a text for a count": replace("draws_committed", data="30"),
    "more than all": fill("draws_committed", 31),
    "fewer than none": fill("draws_committed", -1),
    "not begun": fill("draws_committed", 0),
    "half a pipe": link("posterior/x", h5py.ExternalLink("fifo", "/x")),
    "another file": link("posterior", h5py.ExternalLink("elsewhere.h5", "/")),
    "nowhere": link("sample_stats/lp", h5py.SoftLink("/nowhere")),
    "virtual": virtual,
    "wide": replace("posterior/x", shape=(8, 30, 10**8), dtype="f4", chunks=(1, 1, 1000)),
}
"""What is refused in one sentence."""

DRAWN = {
    "nowhere finite": fill("posterior/x", np.nan),
    "infinite": fill("sample_stats/log_det_jacobian", np.inf),
    "huge": fill("posterior/x", 3e38),
    "never moved": fill("posterior/x", 0.25),
    "no start": lambda file: file.pop("start"),
    "no latent": lambda file: file.pop("unconstrained_posterior"),
    "no warm-up": lambda file: file.pop("adaptation"),
    "warm-up of nothing": lambda file: [fill(f"adaptation/{n}", np.nan)(file) for n in WINDOWS],
    "killed": fill("draws_committed", 11),
    "step sizes below 0": fill("adaptation/step_size", -1),
    "no attribute": lambda file: [file.attrs.pop(name) for name in list(file.attrs)],
    "arrays for attributes": lambda file: [file.attrs.create(n, [1, 2]) for n in list(file.attrs)],
    "words that steer": lambda file: file.attrs.update(
        {"target": f"{FORBIDDEN}$x_{{", "beta": "<b>", "config": f"<b>{FORBIDDEN}"}
    ),
}
"""What is odd, and drawn."""

WINDOWS = ("step_size", "acceptance_rate", "global_acceptance_rate")


class Runs(ProgramTest):
    """Runs of few draws, whole, odd and damaged. Most are drawn without their flow: it takes no
    part in what is looked at here."""

    def setUp(self):
        super().setUp()
        self.flow = shutil.copy(MOONS, self.path("flow.h5"))
        size = ["--chains", 8, "--draws", 30, "--warmup", 20, "--report-every", 10]
        self.run_file = self.sample(*size, flow=self.flow)

    def damaged(self, damage, name="damaged.h5"):
        path = shutil.copy(self.run_file, self.path(name))
        with h5py.File(path, "r+") as file:
            damage(file)
        return path

    def assert_refused(self, script, path, *words):
        code, out, complaints = start(script, path, *words)
        self.assertEqual((code, out), (2, ""), complaints)
        self.assertEqual(complaints.count("\n"), 1, complaints)
        self.assertIn("expected", complaints)
        self.assertTrue(complaints[:-1].isprintable())

    def assert_drawn(self, script, path, *words):
        code, out, complaints = start(script, path, *words)
        self.assertEqual(code, 0, complaints)
        for line in complaints.splitlines():  # what it had to do without
            self.assertIn("plotting without", line)
        self.assertTrue(out.replace("\n", "").isprintable())
        return out.splitlines()[0]

    def test_a_damaged_run_is_refused_in_one_sentence(self):
        os.mkfifo(self.path("fifo"))
        os.remove(self.flow)
        refused = 0
        for name, damage in REFUSED.items():
            path = self.damaged(damage)
            for script in (plot_run, report):
                with self.subTest(name=name, script=script.__name__):
                    self.assert_refused(script, path)
                    refused += 1
        self.assertEqual(refused, 2 * len(REFUSED))

    def test_an_odd_run_is_drawn(self):
        os.remove(self.flow)
        drawn = 0
        for name, damage in DRAWN.items():
            with self.subTest(name=name):
                self.assert_drawn(plot_run, self.damaged(damage))
                drawn += 1
        self.assertEqual(drawn, len(DRAWN))

    def test_the_page_of_an_odd_run_has_nothing_that_a_browser_acts_on(self):
        os.remove(self.flow)
        page = self.assert_drawn(report, self.damaged(DRAWN["words that steer"]))
        with open(page, encoding="utf-8") as file:
            content = file.read()
        self.assertIn("&lt;b&gt;?[31m", content)
        self.assertNotIn("<b>?", content)
        self.assertNotIn(FORBIDDEN, content)

    def test_a_file_cut_off_or_of_another_kind_is_refused_in_one_sentence(self):
        whole = (self.directory / "run.h5").read_bytes()
        refused = 0
        for size in (0, 1, 500, len(whole) // 2, len(whole) - 100):
            (self.directory / "cut.h5").write_bytes(whole[:size])
            for script in SCRIPTS:
                self.assert_refused(script, self.path("cut.h5"))
                refused += 1
        (self.directory / "text.h5").write_text("no HDF5", encoding="utf-8")
        for path in (self.path("text.h5"), self.path("none.h5"), self.directory):
            for script in SCRIPTS:
                self.assert_refused(script, path, "-o", self.path("picture"))
                refused += 1
        self.assertEqual(refused, 8 * len(SCRIPTS))

    def test_flipped_bits_end_in_a_picture_or_a_sentence(self):
        os.remove(self.flow)
        whole = (self.directory / "run.h5").read_bytes()
        rng = np.random.default_rng(16)
        ends = {0: 0, 2: 0}
        for _ in range(25):
            bits = bytearray(whole)
            for place in rng.integers(0, 6000, 3):  # where the file's structure begins
                bits[place] ^= 1 << rng.integers(8)
            (self.directory / "flipped.h5").write_bytes(bits)
            with mock.patch.object(hdf5_files, "LONGEST", 3):  # HDF5 may go round and round
                code, _, complaints = start(plot_run, self.path("flipped.h5"))
            lines = [line for line in complaints.splitlines() if "plotting without" not in line]
            self.assertEqual(len(lines), 0 if code == 0 else 1, complaints)
            ends[code] += 1
        self.assertGreater(ends[0], 0)
        self.assertGreater(ends[2], 5)

    def test_an_output_is_never_what_is_read(self):
        before = (self.directory / "run.h5").read_bytes()
        for script in SCRIPTS:
            self.assert_refused(script, self.run_file, "-o", self.run_file)
            self.assert_refused(script, self.run_file, "-o", self.path("none/picture.png"))
        self.assertEqual((self.directory / "run.h5").read_bytes(), before)

    def test_reports_that_were_damaged_are_left_out(self):
        beside = self.directory / "run.jsonl"
        whole = beside.read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(whole), 3)
        odd = ["3", "[]", "{}", '{"draws": "x"}', '{"draws": 1e999}', '{"draws": 10, "rhat": "y"}']
        beside.write_text("\n".join([*odd, *whole, "{"]), encoding="utf-8")
        found = convergence.reports_beside(self.directory / "run.h5", 30)
        self.assertEqual(len(found), 4)
        # Without groups of chains there is no nested R-hat: neither a curve nor its name.
        figures = dict(convergence.pictures_on_the_way(found, 1.01, 400))
        names = [t.get_text() for t in figures["R-hat while the run went on"].axes[0].legend_.texts]
        self.assertEqual(names, ["R-hat", "wanted: 1.01"])
        self.assertEqual(len(figures), 2)
        self.assertEqual(convergence.pictures_on_the_way([], 1.01, 400), [])


class Studies(ProgramTest):
    def test_a_damaged_study_is_refused_in_one_sentence(self):
        whole = small_study(self.path("study"))
        refused = 0
        for damage in (
            lambda file: file.pop("runs"),
            lambda file: file.pop("means"),
            lambda file: file.pop("means/runs"),
            lambda file: file.pop("means/rhat"),
            lambda file: file.pop("means/ess_per_gradient"),
            replace("means/rhat", data=np.full(4, b"text")),
            replace("means/rhat", data=np.zeros(3)),
            replace("means/rhat", data=np.zeros((4, 2))),
            replace("runs/run", shape=(10**12,), dtype="i8", chunks=(100,)),
            link("means/rhat", h5py.ExternalLink("elsewhere.h5", "/x")),
        ):
            path = shutil.copy(whole, self.path("damaged.h5"))
            with h5py.File(path, "r+") as file:
                damage(file)
            code, out, complaints = start(plot_study, path)
            self.assertEqual((code, out), (2, ""), refused)
            self.assertEqual(complaints.count("\n"), 1, complaints)
            # A page may do without its picture, and says so.
            code, _, complaints = start(report, path)
            self.assertIn((code, complaints.count("\n")), ((0, 0), (2, 1)), complaints)
            refused += 1
        self.assertEqual(refused, 10)


if __name__ == "__main__":
    unittest.main()
