# SPDX-License-Identifier: BSD-3-Clause
"""Draws that float cannot hold: --precision auto computes them in double, and float is refused."""

import shutil
import unittest

import h5py
import numpy as np

from flotilla_tools.flow_file import FlowContents, checksum, read_layer
from flotilla_tools.hdf5_files import text_of
from program import FLOWS, MOONS, ProgramTest, run

SIZE = ["--chains", 128, "--draws", 100, "--warmup", 100, "--global-fraction", 0.5]


class Precision(ProgramTest):
    def far_moons(self):
        """Two moons scaled by 0.01 about 3e5, as times and energies are."""
        path = self.path("far.h5")
        shutil.copy(MOONS, path)
        with h5py.File(path, "r+") as file:
            layer = file["layers"].create_group(f"{len(file['layers']):04}")
            layer.attrs["type"] = "diagonal_affine"
            layer["scale"] = np.full(2, 0.01)
            layer["shift"] = np.full(2, 3e5)
            layers = [read_layer(file["layers"][name]) for name in sorted(file["layers"])]
            contents = FlowContents(2, 0, read_layer(file["base"]), layers)
            file.attrs["checksum"] = checksum(contents)
        return path

    def test_the_default_holds_what_float_cannot(self):
        near = self.sample(*SIZE, output="near.h5")
        far = self.path("run.h5")
        flow = self.far_moons()
        for ranks in (None, 2):
            done = run("sample", flow, "-o", far, "--force", *SIZE, ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("double is used"), 1, done.stdout)
            with h5py.File(near) as one, h5py.File(far) as other:
                self.assertEqual(text_of(one.attrs["precision"]), "float")
                self.assertEqual(text_of(other.attrs["precision"]), "double")
                self.assertIn('precision = "double"', text_of(other.attrs["config"]))
                x = other["posterior/x"][()]
                self.assertEqual(x.dtype, np.float64)
                self.assertGreater(len(np.unique(x)), 10000)
                expected = one["posterior/x"][()].reshape(-1, 2).std(axis=0)
                found = x.reshape(-1, 2).std(axis=0)
            np.testing.assert_allclose(found, 0.01 * expected, rtol=0.05)

    def test_an_explicit_float_that_does_not_hold_is_refused(self):
        flow = self.far_moons()
        path = self.path("run.h5")
        for ranks in (None, 3):
            done = run("sample", flow, "-o", path, "--precision", "float", *SIZE, ranks=ranks)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(done.stderr.count("flotilla:"), 1, done.stderr)
            for word in ("float numbers cannot hold", "--precision double", "--precision auto"):
                self.assertIn(word, done.stderr)
        self.assertFalse((self.directory / "run.h5").exists())

    def test_what_ships_is_computed_in_float_to_the_same_bits(self):
        chosen = self.sample(*SIZE, output="chosen.h5")
        asked = self.sample(*SIZE, "--precision", "float", output="asked.h5")
        self.assert_same_datasets(chosen, asked)
        flows = [flow for flow in FLOWS.glob("*.h5") if "glow" not in flow.name]
        self.assertEqual(len(flows), 3)
        for flow in flows:
            path = self.sample("--chains", 32, "--draws", 2, "--warmup", 1, "--force", flow=flow)
            with h5py.File(path) as file:
                self.assertEqual(file["posterior/x"].dtype, np.float32)


if __name__ == "__main__":
    unittest.main()
