# SPDX-License-Identifier: BSD-3-Clause
"""flotilla verify: a run file is what the run wrote, or what is not is named."""

import json
import os
import pathlib
import shutil
import unittest

import h5py
import numpy as np

from program import FLOWS, MOONS, ProgramTest, run

DENSITIES = pathlib.Path(os.environ["FLOTILLA_DENSITIES"])
SIZE = ["--chains", 70, "--tile-width", 32, "--warmup", 20, "--draws", 130, "--save-warmup"]
TABLES = ("points", "statistics")
VARIABLES = ["posterior/x", "unconstrained_posterior/z"] + [
    f"sample_stats/{name}"
    for name in (
        "lp", "acceptance_rate", "step_size", "diverging", "log_det_jacobian", "is_global",
        "accepted",
    )
]


def add_bit(file, name, place):
    """Changes the last bit of one value."""
    values = file[name][()]
    bits = values.view(f"u{values.dtype.itemsize}")
    bits[place] = int(bits[place]) ^ 1
    file[name][...] = values


class Verify(ProgramTest):
    def verify(self, path, *arguments, code=0, ranks=None):
        """The findings of a verification, by name."""
        done = run("verify", path, "--json", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("flotilla", done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["passed"], code == 0)
        return {finding["name"]: finding for finding in found["findings"]}

    def changed(self, path, change):
        copy = self.path("changed.h5")
        shutil.copy(path, copy)
        with h5py.File(copy, "r+") as file:
            change(file)
        return copy

    def test_what_a_run_wrote_passes_on_any_number_of_ranks(self):
        path = self.sample(*SIZE, ranks=2)
        found = self.verify(path)
        self.assertEqual({finding["verdict"] for finding in found.values()}, {"ok"})
        self.assertIn("18 variables", found["structure"]["sentence"])
        # Of each phase 3 tiles; blocks of 100 draws of 20 and 130; 9 variables.
        self.assertIn(f"{3 * (1 + 2) * 9} blocks", found["checksums"]["sentence"])
        for name in ("posterior/x", "sample_stats/lp", "sample_stats/log_det_jacobian"):
            self.assertIn("all equal to the last bit", found[name]["sentence"])
        self.assertEqual(self.verify(path, ranks=5), found)
        self.assertIn("the file is what the run wrote", run("verify", path).stdout)

    def test_one_bit_in_any_variable_is_named(self):
        path = self.sample(*SIZE)
        for prefix, draw, draws in (("", 107, "100 to 129"), ("warmup_", 7, "0 to 19")):
            names = [f"{prefix}{name}" for name in VARIABLES]
            with h5py.File(path, "r") as file:
                shapes = [file[name].shape for name in names]

            def change(file, names=names, shapes=shapes, draw=draw):
                for name, shape in zip(names, shapes):
                    add_bit(file, name, (65, draw, 1)[: len(shape)])

            found = self.verify(self.changed(path, change), code=3, ranks=2)
            self.assertEqual(
                set(found["checksums"]["sentence"].split("; ")),
                {
                    f"{name}, chains 64 to 69, draws {draws}: the bytes are not those that were "
                    "written"
                    for name in names
                },
            )

    def test_a_checksum_that_changed_is_named_too(self):
        path = self.sample(*SIZE)
        for table, name in zip(TABLES, ("posterior/x", "sample_stats/lp")):
            copy = self.changed(path, lambda file: add_bit(file, f"checksums/{table}", (0, 1, 0)))
            found = self.verify(copy, code=3)
            self.assertIn(f"{name}, chains 32 to 63, draws 0 to 99", found["checksums"]["sentence"])

        def forget(file):
            file["checksums/points"][1, 2, 1] = 0

        found = self.verify(self.changed(path, forget), code=3)
        self.assertEqual(
            found["checksums"]["sentence"],
            "unconstrained_posterior/z, chains 64 to 69, draws 100 to 129: the draws are committed "
            "but have no checksum",
        )

    def test_what_is_not_where_it_should_be_is_named(self):
        path = self.sample(*SIZE)

        def replace(name, **how):
            def change(file):
                del file[name]
                file.create_dataset(name, **how)

            return change

        def remove(name):
            return lambda file: file.__delitem__(name)

        def count_wrongly(file):
            file["posterior/draw"][3] = 4

        def cut_the_table(file):
            facts = dict(file["checksums/points"].attrs)
            del file["checksums/points"]
            made = file.create_dataset("checksums/points", data=np.zeros((2, 2, 2), "i8"))
            for name in ("draws", "chains", "posterior", "unconstrained_posterior"):
                made.attrs[name] = facts[name]

        def set_attribute(place, name, value):
            return lambda file: file[place].attrs.__setitem__(name, value)

        cases = {
            "sample_stats/lp: there is no such variable": remove("sample_stats/lp"),
            "posterior/x_dim_0: ": remove("posterior/x_dim_0"),
            "posterior/draw: value 3 should be its number but is 4": count_wrongly,
            "posterior/draw: it is no dimension": replace("posterior/draw", data=np.arange(130)),
            "draws_committed: it should be from 0 to 130": replace("draws_committed", data=131),
            "draws_committed: the file says that it is complete": replace("draws_committed", data=9),
            "unconstrained_posterior/z: its values should be float": replace(
                "unconstrained_posterior/z", data=np.zeros((70, 130, 2))
            ),
            "sample_stats/accepted: it has 70 chains and room for 7 draws": replace(
                "sample_stats/accepted", data=np.zeros((70, 7), "i1")
            ),
            "/: it has no 'config'": lambda file: file.attrs.__delitem__("config"),
            "/: its status is none": set_attribute("/", "status", b"good"),
            "start/x: it should be": replace("start/x", data=np.zeros(3)),
            "adaptation/step_size: ": replace("adaptation/step_size", data=b"none"),
            "checksums/points: HDF5 cannot": replace("checksums/points", data=np.zeros(3)),
            "checksums/points: it should be [2 x 3 x 2]": cut_the_table,
            "sample_stats/accepted: it is marked neither": set_attribute(
                "sample_stats/accepted", "dtype", b"float"
            ),
        }
        for words, change in cases.items():
            with self.subTest(words):
                found = self.verify(self.changed(path, change), code=3)
                self.assertIn(words, found["structure"]["sentence"])

    def test_files_from_before_there_were_checksums(self):
        path = self.sample(*SIZE)

        def older(file):
            del file["checksums"], file["warmup_checksums"]

        old = self.changed(path, older)
        found = self.verify(old)
        self.assertEqual(found["checksums"]["verdict"], "note")
        self.assertIn("the file has none", found["checksums"]["sentence"])
        with h5py.File(old, "r+") as file:
            file["posterior/x"][:, 129] += 1
            file["sample_stats/lp"][40, 5] = np.nan
        found = self.verify(old, code=3)
        self.assertEqual(
            found["draws"]["sentence"],
            "sample_stats/lp, chains 32 to 63, draws 0 to 99: the draws are committed but missing",
        )
        self.assertIn("recomputed values differ", found["posterior/x"]["sentence"])
        self.assertIn("draw 129", found["posterior/x"]["sentence"])

    def test_the_flow_that_was_sampled_is_asked_for(self):
        mine = self.path("mine.h5")
        shutil.copy(MOONS, mine)
        path = self.sample(*SIZE, flow=mine)
        os.rename(mine, self.path("moved.h5"))
        found = self.verify(path)
        self.assertEqual(found["flow"]["verdict"], "note")
        self.assertIn("nothing was recomputed", found["flow"]["sentence"])
        self.assertNotIn("flow", self.verify(path, "--flow", self.path("moved.h5")))
        other = str(FLOWS / "six_gaussians.h5")
        found = self.verify(path, "--flow", other, code=3, ranks=2)
        self.assertIn("but the run records sha256:", found["flow"]["sentence"])
        without = self.sample(*SIZE, "--no-latent", output="without.h5")
        self.assertIn("--no-latent", self.verify(without)["x = f(z)"]["sentence"])

    def test_what_the_density_derived_is_recomputed(self):
        names = ["magnetisation", "square", "susceptibility"]
        ring = ["--target", "explicit", "--density", DENSITIES / "phi4.so", "--density-args", "1,1"]
        path = self.sample(*SIZE, *ring)
        found = self.verify(path, ranks=2)
        self.assertEqual({finding["verdict"] for finding in found.values()}, {"ok"})
        for name in names:
            self.assertIn("all equal to the last bit", found[f"posterior/{name}"]["sentence"])

        def change(file):
            file["posterior/square"][65] += 1

        found = self.verify(self.changed(path, change), code=3, ranks=2)
        verdicts = [found[f"posterior/{name}"]["verdict"] for name in names]
        self.assertEqual(verdicts, ["ok", "FAILED", "ok"])
        self.assertIn("most at chain 65", found["posterior/square"]["sentence"])

    def test_what_is_no_run_file_is_refused(self):
        for path in (MOONS, self.path("nothing.h5"), str(self.directory)):
            done = run("verify", path, ranks=2)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)

    def test_a_run_that_stopped_early_passes(self):
        path = self.path("early.h5")
        wanted = ["--until-rhat", 1e9, "--report-every", 50]
        done = run("sample", MOONS, "-o", path, "--chains", 64, "--draws", 900, "--quiet", *wanted)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.verify(path)
        self.assertEqual({finding["verdict"] for finding in found.values()}, {"ok"})


if __name__ == "__main__":
    unittest.main()
