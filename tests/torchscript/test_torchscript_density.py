# SPDX-License-Identifier: BSD-3-Clause
"""TorchScript log densities of any traced module are targets, or are refused in one sentence."""

import math
import pathlib
import sys
import unittest

import h5py
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from program import ProgramTest, random_flow, run, script  # noqa: E402

sys.path.insert(0, str(HERE))

import models  # noqa: E402

SIZE = ["--chains", 96, "--warmup", 200, "--draws", 400, "--tile-width", 32]
SHORT = ["--chains", 96, "--warmup", 20, "--draws", 10, "--tile-width", 32]


class DensityTest(ProgramTest):
    def script(self, *words):
        return script("export_torchscript.py", *words)

    def exported(self, model, *words, dim=2):
        """The TorchScript file of the density with this name in models.py."""
        path = self.path(f"{model}.pt")
        done = self.script("--density", f"{HERE}/models.py:{model}", "--dim", dim, "-o", path, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def flow(self, dim=2):
        return random_flow(self.path(f"flow{dim}.h5"), "--dim", dim, "--layers", 2)

    def target(self, density):
        return ["--target", "explicit", "--density", density]

    def refused(self, density, *arguments, flow=None, ranks=None):
        """The sentence with which a run of the density is refused."""
        done = run(
            "sample", flow or self.flow(), "-o", self.path("run.h5"), *self.target(density), *SHORT,
            *arguments, ranks=ranks,
        )
        self.assertNotEqual(done.returncode, 0)
        ours = [row for row in done.stderr.splitlines() if row.startswith("flotilla: ")]
        self.assertEqual(len(ours), 1, done.stderr)
        return ours[0]


class Draws(DensityTest):
    def expect_mean(self, draws, mean, what):
        """Within four standard errors, from the spread between chains."""
        by_chain = draws.mean(axis=1)
        error = by_chain.std(ddof=1) / math.sqrt(len(by_chain))
        self.assertLess(abs(by_chain.mean() - mean), 4.0 * error, what)
        self.assertLess(error, 0.1, what)

    def draws_of(self, density):
        path = self.sample(*SIZE, *self.target(density), flow=self.flow())
        with h5py.File(path) as file:
            x = file["posterior/x"][()].astype(float)
        return x[..., 0], x[..., 1]

    def test_moments_are_those_of_the_density(self):
        x0, x1 = self.draws_of(self.exported("Banana"))
        self.expect_mean(x0, 0.0, "x0")
        self.expect_mean(x0**2, 1.0, "x0^2")
        self.expect_mean(x1, 0.5, "x1")
        self.expect_mean((x1 - 0.5 * x0**2) ** 2, 1.0, "width of the banana")

    def test_minus_infinity_rejects_a_point(self):
        x0, _ = self.draws_of(self.exported("HalfBanana"))
        self.assertGreater(float(x0.min()), 0.0)
        self.expect_mean(x0, math.sqrt(2.0 / math.pi), "x0 above 0")

    def test_log_densities_are_those_of_pytorch(self):
        # lp = log p_X(x) + l, with x as the file has it
        density = self.exported("Network", dim=3)
        flow = self.flow(dim=3)
        path = self.sample(*SHORT, *self.target(density), "--precision", "double", flow=flow)
        with h5py.File(path) as file:
            x = torch.from_numpy(file["posterior/x"][()])
            lp = torch.from_numpy(file["sample_stats/lp"][()])
            log_det = torch.from_numpy(file["sample_stats/log_det_jacobian"][()])
        self.assertEqual(x.dtype, torch.float64)
        with torch.no_grad():
            expected = models.Network().double()(x.reshape(-1, 3)).reshape(lp.shape)
        self.assertLess(float((expected + log_det - lp).abs().max()), 1e-10)

    def test_the_check_of_densities_finds_nothing(self):
        done = run("density", "check", self.exported("Network", dim=3))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_any_number_of_ranks_draws_the_same_bits(self):
        density = self.exported("Network", "--tile-width", 20, dim=3)  # not the run's
        flow = self.flow(dim=3)
        words = [*SHORT, *self.target(density)]
        one = self.sample(*words, flow=flow, output="1.h5", ranks=1)
        for ranks in (2, 3):
            many = self.sample(*words, "--force", flow=flow, output="n.h5", ranks=ranks)
            self.assert_same_datasets(one, many)


class Refusals(DensityTest):
    def test_modules_that_are_no_densities_are_not_exported(self):
        cases = {
            "ConstantDensity": "found a constant",
            "GregariousDensity": "chains must not know of each other",
            "PairedDensity": "found tuple",
            "Branching": "found tuple",
        }
        for model, words in cases.items():
            done = self.script(
                "--density", f"{HERE}/models.py:{model}", "--dim", 2, "-o", self.path("no.pt")
            )
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)

    def test_files_that_hold_no_density_are_refused(self):
        junk = self.path("junk.pt")
        pathlib.Path(junk).write_bytes(b"no TorchScript")
        flow = self.path("flow.pt")
        done = self.script("--model", f"{HERE}/models.py:Shear", "--dim", 2, "-o", flow)
        self.assertEqual(done.returncode, 0, done.stderr)
        cases = {
            self.path("nowhere.pt"): "cannot be read",
            junk: "does not load as TorchScript",
            flow: "not a density",
        }
        for path, words in cases.items():
            sentences = {self.refused(path), self.refused(path, ranks=3)}
            self.assertEqual(len(sentences), 1)
            self.assertIn(words, sentences.pop())

    def test_a_density_is_no_flow(self):
        done = run("sample", self.exported("Banana"), "-o", self.path("run.h5"), *SHORT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("not a flow", done.stderr)

    def test_other_dimensions_and_arguments_are_refused(self):
        density = self.exported("Banana")
        self.assertIn("the flow has 3", self.refused(density, flow=self.flow(dim=3)))
        self.assertIn("no --density-args", self.refused(density, "--density-args", "7"))

    def test_a_module_that_computes_something_else_is_refused(self):
        density = self.exported("Banana")
        module = torch.jit.load(density)
        module.golden["log_density"][3] += 1e-6
        module.save(density)
        self.assertIn("as when it was exported", self.refused(density))

    def test_an_error_in_the_middle_of_a_run_ends_every_rank_with_its_words(self):
        words = ["-o", self.path("run.h5"), "--force", *SHORT]
        density = self.target(self.exported("raising_density"))
        for ranks in (None, 3):
            done = run("sample", self.flow(), *words, *density, ranks=ranks)
            self.assertEqual(done.returncode, 1, done.stderr)
            ours = [row for row in done.stderr.splitlines() if row.startswith("flotilla: ")]
            self.assertEqual(len(ours), 1, done.stderr)
            self.assertIn("raising_density.pt: the TorchScript module failed in", ours[0])
            self.assertIn("too far out", ours[0])


if __name__ == "__main__":
    unittest.main()
