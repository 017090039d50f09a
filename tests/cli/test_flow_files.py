# SPDX-License-Identifier: BSD-3-Clause
"""flotilla flow show and flotilla flow verify."""

import json
import shutil
import unittest

import h5py
import numpy as np

from program import FLOWS, MOONS, ProgramTest, run

from flotilla_tools.flow_file import FlowContents, LayerRecord, write_flow_file


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

    def test_draws_tell_the_same_on_any_number_of_ranks(self):
        words = ["flow", "verify", MOONS, "--draws", 500, "--seed", 3, "--json"]
        one, three = run(*words), run(*words, ranks=3)
        self.assertEqual(one.returncode, 0, one.stderr)
        self.assertEqual(one.stdout, three.stdout)
        found = json.loads(one.stdout)
        self.assertTrue(found["golden"]["reproduced"])
        self.assertEqual(found["health"]["draws"], 500)
        self.assertTrue(found["health"]["passed"])
        self.assertEqual(len(found["health"]["findings"]), 6)
        self.assertIn("nothing stands against", run(*words[:-1]).stdout)

    def test_draws_of_a_flow_that_explodes_end_with_a_verdict(self):
        # x2 = z2 exp(600 z1) overflows where z1 > 1.18
        arrays = {
            "mask": np.array([1, 0]),
            "weight_0": np.array([[600.0], [0.0]]),
            "bias_0": np.zeros(2),
        }
        coupling = LayerRecord("affine_coupling", {"activation": "tanh"}, arrays)
        contents = FlowContents(2, 0, LayerRecord("standard_normal", {}, {}), [coupling])
        write_flow_file(self.path("flow.h5"), contents, {}, {})
        refused = run("flow", "verify", self.path("flow.h5"))
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--draws", refused.stderr)
        done = run("flow", "verify", self.path("flow.h5"), "--draws", 1000, ranks=2)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("the flow has exploded", done.stdout)
        self.assertIn("do not sample", done.stdout)


if __name__ == "__main__":
    unittest.main()
