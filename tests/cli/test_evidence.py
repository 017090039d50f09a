# SPDX-License-Identifier: BSD-3-Clause
"""flotilla evidence: normalising constants that are known in closed form."""

import json
import math
import os
import shutil
import unittest

import h5py
import numpy as np

from program import ProgramTest, run

LIBRARY = os.environ["FLOTILLA_UNNORMALISED"]
SIZE = ["--chains", 64, "--draws", 400, "--warmup", 200]
EVIDENCE = {
    "normal": math.log(2 * math.pi) + 3,
    "banana": math.log(2 * math.pi),
    "mixture": -5.0,
    "quartic": math.log(2 * math.gamma(1.25) * math.sqrt(math.pi)),
    "halfplane": 0.5 * math.log(2 * math.pi),
}


class Evidence(ProgramTest):
    def setUp(self):
        super().setUp()
        self.flow = self.path("flow.h5")
        done = run("flow", "identity", "--dim", 2, "--scale", "2,2", "-o", self.flow)
        self.assertEqual(done.returncode, 0, done.stderr)

    def sampled(self, name, *arguments, target="explicit"):
        words = ["--density", LIBRARY, "--density-args", name, "--target", target]
        return self.sample(*SIZE, *words, *arguments, flow=self.flow, output=f"{name}_{target}.h5")

    def evidence(self, path, *arguments, ranks=None, code=0):
        """The figures of an estimate; and what it prints on standard error."""
        done = run("evidence", path, "--json", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout), done.stderr

    def assert_near(self, found, truth):
        self.assertLess(found["error"], 0.1)
        self.assertLess(abs(found["log_evidence"] - truth), 3 * found["error"] + 1e-9, found)

    def test_is_that_of_five_densities_within_three_errors(self):
        tested = 0
        for name, truth in EVIDENCE.items():
            with self.subTest(density=name):
                found, _ = self.evidence(self.sampled(name), "--draws", 20000)
                self.assert_near(found, truth)
                self.assertIsNone(found["refusal"])
                self.assertGreater(found["overlap"], 0.1)
                self.assertLess(
                    abs(found["importance_log_evidence"] - truth), 4 * found["importance_error"]
                )
                if name == "halfplane":
                    self.assertGreater(found["non_finite"], 5000)
                else:
                    self.assertEqual(found["non_finite"], 0)
                tested += 1
        self.assertEqual(tested, 5)

    def test_of_a_posterior_is_the_marginal_likelihood(self):
        # z ~ N(0, I), x = 2 z ~ N(0, 4 I), and the likelihood `normal`.
        truth = 3.0
        for centre, variance in ((1.0, 0.25), (0.0, 4.0)):
            whole = 4.0 + variance
            truth += 0.5 * math.log(variance / whole) - 0.5 * centre**2 / whole
        path = self.sampled("normal", target="posterior")
        self.assert_near(self.evidence(path)[0], truth)

    def test_of_an_observation_is_its_marginal_density(self):
        observation = self.path("observation.h5")
        with h5py.File(observation, "w") as file:
            file["y"], file["noise"], file["indices"] = [0.7], 0.5, [1]
        words = ["--target", "posterior", "--observe", observation]
        path = self.sample(*SIZE, *words, flow=self.flow)
        variance = 2.0**2 + 0.5**2  # of y = x_1 + noise, x_1 = 2 z_1
        truth = -0.5 * math.log(2 * math.pi * variance) - 0.5 * 0.7**2 / variance
        found, _ = self.evidence(path)
        self.assert_near(found, truth)
        self.assertEqual(self.evidence(path, ranks=2)[0], found)

    def test_of_an_annealed_target_is_that_of_the_target(self):
        # The square root of q_Z times pi(z), where pi is `normal` at x = 2 z: per coordinate a
        # product of two normals with twice their variances.
        truth = 1.5 + math.log(4.0) / 2
        for centre, variance in ((0.5, 0.0625), (0.0, 1.0)):
            one, other = 2.0, 2.0 * variance
            truth += -0.25 * math.log(2 * math.pi) + 0.5 * math.log(
                2 * math.pi * one * other / (one + other)
            ) - 0.5 * centre**2 / (one + other)
        found, _ = self.evidence(self.sampled("normal", "--beta", 0.5))
        self.assert_near(found, truth)
        self.assertEqual((found["target"], found["beta"]), ("explicit", 0.5))

    def test_of_the_base_density_is_one(self):
        path = self.sample(*SIZE, "--beta", 0, flow=self.flow)
        found, _ = self.evidence(path)
        self.assertAlmostEqual(found["log_evidence"], 0.0, places=5)
        self.assertAlmostEqual(found["overlap"], 1.0, places=5)

    def test_does_not_depend_on_ranks(self):
        path = self.sampled("banana")
        one, _ = self.evidence(path, "--draws", 5000)
        for ranks in (2, 3):
            self.assertEqual(self.evidence(path, "--draws", 5000, ranks=ranks)[0], one)
        other, _ = self.evidence(path, "--draws", 5000, "--seed", 2)
        self.assertNotEqual(one["log_evidence"], other["log_evidence"])

    def test_is_refused_where_the_densities_do_not_overlap(self):
        with h5py.File(self.path("start.h5"), "w") as file:
            file["x"] = np.random.default_rng(1).normal(9.0, 0.1, (64, 2))
        path = self.sampled("far", "--start", self.path("start.h5"), "--step-size", 0.05)
        found, complaint = self.evidence(path, "--draws", 2000, ranks=2, code=3)
        self.assertIsNone(found["log_evidence"])
        self.assertIn("needs 50 of each", found["refusal"])
        self.assertEqual(complaint.count("flotilla: no evidence: "), 1, complaint)
        table = run("evidence", path, "--draws", 2000)
        self.assertEqual(table.returncode, 3)
        self.assertIn("overlap", table.stdout)

    def test_a_density_that_has_changed_is_noticed(self):
        library = self.path("density.so")
        shutil.copy(LIBRARY, library)
        words = ["--density", library, "--density-args", "normal", "--target", "explicit"]
        path = self.sample(*SIZE, *words, flow=self.flow)
        self.evidence(path)
        with h5py.File(path, "r+") as file:  # the library opens another density under this name
            file.attrs["density_args"] = np.bytes_("quartic")
        done = run("evidence", path, ranks=2)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)
        self.assertIn("the density or its data has changed", done.stderr)
        os.remove(library)
        done = run("evidence", path)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no such file", done.stderr)

    def test_what_cannot_be_used_is_one_sentence(self):
        path = self.sampled("quartic", "--no-latent")
        short = self.sample("--chains", 8, "--draws", 3, flow=self.flow, output="short.h5")
        refused = 0
        for words, phrase in (
            ([path], "--no-latent"),
            ([short], "at least 6 draws"),
            ([self.flow], "not a run file"),
            ([short, "--draws", 1], "--draws should be"),
        ):
            done = run("evidence", *words, ranks=2)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)
            self.assertIn(phrase, done.stderr)
            refused += 1
        self.assertEqual(refused, 4)


if __name__ == "__main__":
    unittest.main()
