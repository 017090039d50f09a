# SPDX-License-Identifier: BSD-3-Clause
"""flotilla flow show and flotilla flow verify."""

import shutil
import unittest

import h5py

from program import FLOWS, MOONS, ProgramTest, run


class FlowFiles(ProgramTest):
    def test_show_lists_layers_parameters_and_provenance(self):
        done = run("flow", "show", MOONS)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("affine_coupling", "diagonal_affine", "held_out_nll", "sha256:", "35348"):
            self.assertIn(word, done.stdout)
        self.assertIn("closed form, and metric MALA inherits no error", done.stdout)
        self.assertEqual(done.stdout, run("flow", "show", MOONS, ranks=2).stdout)

    def test_verify_accepts_the_flows_that_ship(self):
        flows = sorted(FLOWS.glob("*.h5"))
        self.assertEqual(len(flows), 4)
        for flow in flows:
            with self.subTest(flow=flow.name):
                done = run("flow", "verify", flow)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                # The checksum and two precisions; the Glow is too ill-conditioned for float.
                glow = "glow" in flow.name
                self.assertEqual(done.stdout.count(" ok"), 2 if glow else 3, done.stdout)
                self.assertEqual("imprecise" in done.stdout, glow)
                self.assertLess(flow.stat().st_size, 10_000_000 if glow else 1_000_000)

    def test_verify_refuses_golden_values_that_we_do_not_compute(self):
        for name in ("x", "log_det", "log_det_gradient", "jvp"):
            with self.subTest(name=name):
                shutil.copy(MOONS, self.path("flow.h5"))
                with h5py.File(self.path("flow.h5"), "r+") as file:
                    file["golden"][name][3] += 0.05
                done = run("flow", "verify", self.path("flow.h5"), ranks=2)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn("FAILED", done.stdout)


if __name__ == "__main__":
    unittest.main()
