# SPDX-License-Identifier: BSD-3-Clause
"""flotilla flow identity: flows that have learnt nothing, and run files in place of points."""

import json
import unittest

import h5py
import numpy as np

from program import MOONS, ProgramTest, datasets, run

SHORT = ["--chains", 32, "--draws", 40, "--warmup", 40]
KERNELS = ["ghmc", "mala", "metric-mala"]


class Identity(ProgramTest):
    def succeed(self, *arguments, ranks=None):
        done = run(*arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def identity(self, *arguments, output="flow.h5", ranks=None):
        path = self.path(output)
        self.succeed("flow", "identity", *arguments, "-o", path, "--force", ranks=ranks)
        return path

    def refused(self, *arguments, words):
        done = run("flow", "identity", "-o", self.path("no.h5"), *arguments, ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse((self.directory / "no.h5").exists())

    def test_every_command_takes_a_flow_without_layers(self):
        flow = self.identity("--dim", 3)
        with h5py.File(flow) as file:
            self.assertEqual(len(file["layers"]), 0)
        self.assertEqual(self.succeed("flow", "verify", flow).count(" ok"), 3)
        self.assertIn("standard_normal", self.succeed("flow", "show", flow, ranks=2))
        points = self.path("points.h5")
        self.succeed("flow", "evaluate", flow, "--naive", 100, "-o", points, ranks=2)
        found = datasets(points)
        np.testing.assert_array_equal(found["x"], found["z"])
        self.assertFalse(found["log_det_jacobian"].any())
        sampled = 0
        for kernel in KERNELS:
            for precision in ("float", "double"):
                words = ["--kernel", kernel, "--precision", precision, "--force"]
                path = self.sample(*SHORT, *words, "--target", "clipped", flow=flow)
                self.assertTrue(np.isfinite(datasets(path)["posterior/x"]).all())
                sampled += 1
        self.assertEqual(sampled, 6)
        one = self.sample(*SHORT, flow=flow, output="one.h5")
        self.assert_same_datasets(one, self.sample(*SHORT, flow=flow, output="two.h5", ranks=2))
        found = json.loads(self.succeed("summary", one, "--json", ranks=2))
        self.assertEqual(found["constant"], ["log_det_jacobian"])  # l(z) is 0 everywhere
        self.assertGreater(found["sampling"]["ess_per_second"], 0)
        self.succeed("compare", one, "--reference", f"{points}:x", "--points", 50)

    def test_loc_and_scale_are_those_of_numbers_points_or_a_run(self):
        loc, scale = [1.0, -2.0, 30.0], [0.5, 2.0, 10.0]
        draws = np.random.default_rng(6).normal(size=(5000, 3)) * scale + loc
        with h5py.File(self.path("draws.h5"), "w") as file:
            file["theta"], file["loc"], file["scale"] = draws, draws.mean(0), draws.std(0, ddof=1)
        place = self.path("draws.h5")
        by_points = self.identity("--like", f"{place}:theta", output="points.h5", ranks=2)
        by_arrays = self.identity("--loc", f"{place}:loc", "--scale", f"{place}:scale")
        one, other = datasets(by_points), datasets(by_arrays)
        self.assertEqual(one.keys(), other.keys())
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)
        by_numbers = self.identity("--loc", "1,-2,30", "--scale", "0.5,2,10", output="numbers.h5")
        self.assertEqual(self.succeed("flow", "verify", by_numbers).count(" ok"), 3)

        path = self.sample("--chains", 64, "--draws", 500, "--beta", 0, flow=by_numbers)
        layer = datasets(self.identity("--like", path, output="like.h5"))
        x = datasets(path)["posterior/x"].astype(float).reshape(-1, 3)
        np.testing.assert_allclose(layer["layers/0000/shift"], x.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(layer["layers/0000/scale"], x.std(axis=0, ddof=1), rtol=1e-9)

    def test_what_cannot_be_used_is_one_sentence(self):
        with h5py.File(self.path("flat.h5"), "w") as file:
            file["x"] = np.ones((10, 2))
        self.refused(words=["--dim"])
        self.refused("--loc", "1,2", "--dim", 3, words=["loc should be 3 numbers"])
        self.refused("--scale", "1,0", words=["> 0", "coordinate 1"])
        self.refused("--like", self.path("flat.h5"), words=["spread", "coordinate 0"])
        self.refused("--like", self.path("none.h5"), words=["none.h5", "no such file"])
        self.refused("--like", MOONS, "--loc", "1,2", words=["--like takes the place"])
        self.refused("--dim", 0.5, words=["whole number"])
        kept = self.identity("--dim", 2)
        done = run("flow", "identity", "--dim", 2, "-o", kept)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--force", done.stderr)


class RunFilesAsPoints(ProgramTest):
    def test_a_run_starts_from_the_last_draws_of_another(self):
        first = self.sample(*SHORT, output="first.h5")
        last = datasets(first)["posterior/x"][:, -1]
        words = ["--chains", 40, "--draws", 5, "--warmup", 5, "--start", first]
        one = self.sample(*words, output="one.h5")
        two = self.sample(*words, output="two.h5", ranks=2)
        self.assert_same_datasets(one, two)
        start = datasets(one)["start/x"]
        np.testing.assert_allclose(start, last[np.arange(40) % 32], rtol=1e-5, atol=1e-5)

    def test_a_run_without_draws_starts_none(self):
        first = self.sample(*SHORT)
        with h5py.File(first, "r+") as file:
            file["draws_committed"][...] = 0
        done = run("sample", MOONS, "-o", self.path("out.h5"), "--start", first, ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("no complete draws", done.stderr)

    def test_a_study_starts_from_a_run(self):
        first = self.sample(*SHORT)
        with open(self.path("study.toml"), "w", encoding="utf-8") as file:
            file.write(
                f"seeds = [1]\n[sample]\nflow = {json.dumps(MOONS)}\nstart = "
                f"{json.dumps(first)}\nchains = 16\nwarmup = 5\ndraws = 5\n[grid]\nbeta = [0, 1]\n"
            )
        done = run("study", self.path("study.toml"), "-o", self.path("study.h5"), "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
