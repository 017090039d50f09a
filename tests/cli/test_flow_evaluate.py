# SPDX-License-Identifier: BSD-3-Clause
"""flotilla flow evaluate: a flow at points of a file."""

import os
import unittest

import h5py
import numpy as np

from flotilla_tools.hdf5_files import attributes_of
from program import FLOWS, MOONS, ProgramTest, datasets, memory_of, random_flow, run, same_bits

NAMES = ["log_density", "log_det_jacobian", "x", "z"]
MANY = 3 * 4096 + 1037  # four blocks, the last of them partial
RINGS = str(FLOWS / "three_rings.h5")
GLOW = str(FLOWS / "fashion_mnist_glow.h5")


class Evaluate(ProgramTest):
    def evaluate(self, flow, *arguments, output="out.h5", ranks=None):
        """The datasets and the output of an evaluation that has to succeed."""
        path = self.path(output)
        done = run("flow", "evaluate", flow, "-o", path, "--force", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = datasets(path)
        self.assertEqual(sorted(found), NAMES)
        return found, done.stdout

    def points(self, values, name="points.h5"):
        """A file that holds only these points."""
        with h5py.File(self.path(name), "w") as file:
            file["points"] = values
        return self.path(name)

    def refused(self, *arguments, words, ranks=2):
        done = run("flow", "evaluate", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Values(Evaluate):
    def test_are_the_golden_ones_of_every_flow_that_ships(self):
        tested = 0
        for flow in sorted(FLOWS.glob("*.h5")):
            with h5py.File(flow, "r") as file:
                golden = {name: item[()] for name, item in file["golden"].items()}
            log_density = golden.get(
                "base_log_density",
                -0.5 * (golden["z"] ** 2).sum(axis=1)
                - 0.5 * golden["z"].shape[1] * np.log(2 * np.pi),
            ) - golden["log_det"]
            for way, given, sought in (([], "z", "x"), (["--inverse"], "x", "z")):
                with self.subTest(flow=flow.name, given=given):
                    found, _ = self.evaluate(flow, "--points", f"{flow}:golden/{given}", *way)
                    self.assertTrue(same_bits(found[given], golden[given].astype(float)))
                    # The inverse of the Glow magnifies the rounding of x.
                    tolerance = 1e-6 if way else 1e-9
                    np.testing.assert_allclose(found[sought], golden[sought], tolerance, tolerance)
                    for name, expected in (
                        ("log_det_jacobian", golden["log_det"]),
                        ("log_density", log_density),
                    ):
                        np.testing.assert_allclose(found[name], expected, tolerance, tolerance)
                    tested += 1
        self.assertEqual(tested, 8)

    def test_come_back_through_the_inverse(self):
        rng = np.random.default_rng(1)
        points = self.points(rng.standard_normal((500, 2)))
        there, _ = self.evaluate(RINGS, "--points", points)
        back, _ = self.evaluate(
            RINGS, "--points", self.path("out.h5") + ":x", "--inverse", output="back.h5"
        )
        for name in NAMES:
            np.testing.assert_allclose(back[name], there[name], 1e-8, 1e-8)

    def test_of_a_conditional_flow_are_those_of_its_context(self):
        flow = random_flow(self.path("conditional.h5"), "--context", 2)
        with h5py.File(flow, "r") as file:
            golden = {name: item[()] for name, item in file["golden"].items()}
        def text(context):
            return ",".join(repr(float(value)) for value in context)

        points = f"{flow}:golden/z"
        found, _ = self.evaluate(flow, "--points", points, "--context", text(golden["context"]))
        np.testing.assert_allclose(found["x"], golden["x"], 1e-9, 1e-9)
        other, _ = self.evaluate(
            flow, "--points", points, "--context", text(golden["context"] + 0.5)
        )
        self.assertFalse(np.allclose(other["x"], golden["x"], 1e-9, 1e-9))
        self.refused(flow, "--points", points, words=["context"])

    def test_in_float_are_those_of_float(self):
        points = self.points(np.random.default_rng(2).standard_normal((100, 2)))
        found, _ = self.evaluate(MOONS, "--points", points, "--precision", "float")
        exact, _ = self.evaluate(MOONS, "--points", points)
        self.assertEqual(found["x"].dtype, np.float32)
        self.assertEqual(found["log_density"].dtype, np.float64)
        np.testing.assert_allclose(found["x"], exact["x"], 1e-3, 1e-3)
        self.assertFalse(np.array_equal(found["x"], exact["x"]))

    def test_are_the_same_bits_on_any_number_of_ranks(self):
        points = self.points(np.random.default_rng(3).standard_normal((MANY, 2)))
        tested = 0
        for arguments in (
            ["--points", points],
            ["--points", points, "--inverse"],
            ["--points", points, "--precision", "float"],
            ["--naive", MANY, "--seed", 7],
        ):
            alone, text = self.evaluate(MOONS, *arguments)
            self.assertEqual(alone["x"].shape, (MANY, 2))
            for ranks in (1, 2, 3):
                with self.subTest(arguments=arguments, ranks=ranks):
                    found, told = self.evaluate(MOONS, *arguments, output="again.h5", ranks=ranks)
                    self.assertEqual(told.replace("again.h5", "out.h5"), text)
                    for name in NAMES:
                        self.assertTrue(same_bits(found[name], alone[name]), name)
                    tested += 1
        self.assertEqual(tested, 12)

    def test_of_naive_draws_are_those_of_their_latent_points(self):
        naive, _ = self.evaluate(MOONS, "--naive", 20000, "--seed", 5)
        again, _ = self.evaluate(
            MOONS, "--points", self.path("out.h5") + ":z", output="again.h5"
        )
        other, _ = self.evaluate(MOONS, "--naive", 20000, "--seed", 6, output="other.h5")
        for name in NAMES:
            self.assertTrue(same_bits(again[name], naive[name]), name)
        self.assertFalse(np.isclose(other["z"], naive["z"]).any(axis=1).all())
        error = 1 / np.sqrt(20000)
        self.assertLess(np.abs(naive["z"].mean(axis=0)).max(), 5 * error)
        self.assertLess(np.abs(np.cov(naive["z"].T) - np.eye(2)).max(), 5 * np.sqrt(2) * error)

    def test_that_are_not_finite_are_counted_and_told(self):
        values = np.random.default_rng(4).standard_normal((300, 2))
        values[7, 0] = np.nan
        values[211] = np.inf
        for ranks in (1, 2):
            found, text = self.evaluate(MOONS, "--points", self.points(values), ranks=ranks)
            self.assertIn("at 2 of them a value is not finite", text)
            finite = np.isfinite(found["log_density"])
            self.assertEqual(np.flatnonzero(~finite).tolist(), [7, 211])
            with h5py.File(self.path("out.h5"), "r") as file:
                self.assertEqual(file.attrs["non_finite"], 2)
        _, text = self.evaluate(MOONS, "--points", self.points(values[:7]))
        self.assertNotIn("finite", text)

    def test_of_integers_and_of_compressed_points_are_those_of_their_values(self):
        values = np.random.default_rng(5).integers(-2, 3, (5000, 2))
        plain, _ = self.evaluate(MOONS, "--points", self.points(values.astype(float)))
        with h5py.File(self.path("packed.h5"), "w") as file:
            file.create_dataset("a/b", data=values.astype(np.int16), chunks=(100, 1),
                                compression="gzip")
            file["other"] = [1.0]
        packed, _ = self.evaluate(MOONS, "--points", self.path("packed.h5") + ":a/b")
        for name in NAMES:
            self.assertTrue(same_bits(packed[name], plain[name]), name)

    def test_of_many_points_take_no_more_memory_than_those_of_few(self):
        def memory(count):
            with h5py.File(self.path("many.h5"), "w") as file:
                data = file.create_dataset("z", (count, 2), np.float32)
                for first in range(0, count, 100000):
                    data[first:first + 100000] = np.random.default_rng(first).standard_normal(
                        (min(100000, count - first), 2))
            return memory_of("flow", "evaluate", MOONS, "--points", self.path("many.h5"),
                             "--precision", "float", "-o", self.path("out.h5"), "--force")

        few, many = memory(10000), memory(1000000)
        self.assertEqual(datasets(self.path("out.h5"))["x"].shape, (1000000, 2))
        # All points together would take 48 MB.
        self.assertLess(many, few + 16e6)

    def test_come_with_where_they_are_from(self):
        points = self.points(np.zeros((3, 2)))
        self.evaluate(MOONS, "--points", points, "--inverse")
        with h5py.File(self.path("out.h5"), "r") as file, h5py.File(MOONS, "r") as flow:
            facts = attributes_of(file)
            self.assertEqual(facts["flow_checksum"], attributes_of(flow)["checksum"])
        self.assertEqual(facts["flow_file"], MOONS)
        self.assertEqual(facts["points"], points)
        self.assertEqual((facts["direction"], facts["precision"]), ("inverse", "double"))
        for name in ("inference_library_version", "git_commit", "compiler", "instruction_set"):
            self.assertIn(name, facts)


class Refusals(Evaluate):
    def test_of_points_that_do_not_fit(self):
        output = ["-o", self.path("out.h5")]
        tested = 0
        for values, words in (
            (np.zeros((5, 3)), ["[n x 2]", "[5 x 3]"]),
            (np.zeros(6), ["[n x dim]", "[6]"]),
            (np.zeros((2, 2, 2)), ["[n x dim]", "[2 x 2 x 2]"]),
            (np.zeros((0, 2)), ["no points"]),
            (np.full((3, 2), b"ab"), ["numbers"]),
        ):
            points = self.points(values)
            self.refused(MOONS, "--points", points, *output, words=[points, *words])
            tested += 1
        self.assertEqual(tested, 5)
        points = self.points(np.zeros((3, 2)))
        self.refused(MOONS, "--points", points + ":nothing", *output, words=[points, "nothing"])
        self.refused(MOONS, "--points", f"{MOONS}:layers", *output, words=[MOONS, "layers"])
        self.refused(MOONS, "--points", MOONS, *output, words=[MOONS, "name one"])
        self.refused(MOONS, "--points", self.path("no.h5"), *output, words=["no such file"])
        self.refused(self.path("no.h5"), "--points", points, *output, words=["no such file"])
        self.assertEqual(os.listdir(self.directory), ["points.h5"])

    def test_of_a_header_that_speaks_of_points_that_are_not_there(self):
        with h5py.File(self.path("claim.h5"), "w") as file:
            file.create_dataset("z", (10**9, 2), np.float64, chunks=(1000, 2))
        self.refused(MOONS, "--points", self.path("claim.h5"), "-o", self.path("out.h5"),
                     words=["stores fewer"])
        self.assertEqual(os.listdir(self.directory), ["claim.h5"])

    def test_of_options_that_make_no_sense(self):
        points = self.points(np.zeros((3, 2)))
        for arguments, words in (
            ([], ["--points", "--naive"]),
            (["--points", points, "--naive", 3], ["--points", "--naive"]),
            (["--naive", 3, "--inverse"], ["--inverse", "latent"]),
            (["--naive", -3], ["--naive", "-3"]),
            (["--points", points, "--precision", "half"], ["--precision", "half"]),
            (["--points", points, "--output", ""], ["--output"]),
            (["--points", points, "--context", "0.5"], ["context"]),
        ):
            with self.subTest(arguments=arguments):
                self.refused(MOONS, *arguments, words=words)

    def test_of_outputs_that_would_replace_what_is_there(self):
        points = self.points(np.zeros((3, 2)))
        self.evaluate(MOONS, "--points", points)
        out = self.path("out.h5")
        self.refused(MOONS, "--points", points, "-o", out, words=["exists already", "--force"])
        before = datasets(points)
        os.symlink(points, self.path("link.h5"))
        for place in (points, self.path("link.h5")):
            self.refused(MOONS, "--points", points, "-o", place, "--force", words=["is read"])
        self.refused(MOONS, "--points", points + ":points", "-o", points, "--force",
                     words=["is read"])
        self.assertTrue(same_bits(datasets(points)["points"], before["points"]))
        self.refused(MOONS, "--points", points, "-o", self.path("no/out.h5"),
                     words=["cannot write", "directory"])
        self.refused(MOONS, "--points", points, "-o", str(self.directory), "--force",
                     words=["directory"])


if __name__ == "__main__":
    unittest.main()
