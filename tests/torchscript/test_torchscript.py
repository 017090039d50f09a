# SPDX-License-Identifier: BSD-3-Clause
"""TorchScript files of any traced module are verified, sampled and refused like flow files."""

import atexit
import contextlib
import functools
import io
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from unittest import mock

import h5py
import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

import export_torchscript  # noqa: E402
from flotilla_tools import starting  # noqa: E402
from flotilla_tools.torch_flows import library_flows  # noqa: E402
from program import (  # noqa: E402
    ENVIRONMENT, MOONS, PROGRAM, ProgramTest, memory_of, moments, random_flow, run,
)

NAF = HERE / "fixtures/zuko_naf.pt"
SHORT = ["--chains", 96, "--warmup", 8, "--draws", 4, "--tile-width", 32]


EXPORTED = tempfile.mkdtemp(prefix="flotilla_exported_")
atexit.register(shutil.rmtree, EXPORTED, ignore_errors=True)
SAID = {}  # by the file that was written


def exporting(*words):
    """(exit code, what it says) of export_torchscript.py in this process, where PyTorch is loaded
    already: a traceback fails the test."""
    said, code = io.StringIO(), 0
    with mock.patch("sys.argv", ["export_torchscript.py", *map(str, words)]):
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                starting.run(export_torchscript.parse, export_torchscript.export)
            except SystemExit as end:
                code = end.code
    return code, said.getvalue()


@functools.cache
def exported(*words):
    """The TorchScript file of these words; made once."""
    path = os.path.join(EXPORTED, f"{len(os.listdir(EXPORTED))}.pt")
    code, said = exporting("-o", path, *words)
    assert code == 0, said
    SAID[path] = said
    return path


class TorchScriptTest(ProgramTest):
    def exported(self, model, *words, dim=2):
        """The TorchScript file of the model with this name in models.py."""
        own = [] if dim is None else ["--dim", dim]
        return exported("--model", f"{HERE}/models.py:{model}", *own, *words)

    def refused(self, *arguments, ranks=None):
        """The message when the program refuses: one line, on any number of ranks."""
        done = run(*arguments, ranks=ranks)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("flotilla: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]


class Architectures(TorchScriptTest):
    def test_each_is_what_its_module_computes(self):
        files = {
            "NAF": NAF,
            **{name: self.exported(name, dim=3) for name in ("Continuous", "Residual")},
            **{
                name: self.exported(name)
                for name in ("ZerosInside", "Differentiating", "BeyondABound")
            },
            "transformed": self.exported("transformed", dim=None),
            "OfALibrary": self.exported("OfALibrary", "--context", 0.5, dim=None),
        }
        for name, path in files.items():
            with self.subTest(name):
                done = run("flow", "verify", path)
                self.assertEqual(done.returncode, 0, done.stderr)
                rows = {row.split()[0]: row.split()[1:9] for row in done.stdout.splitlines()[2:]}
                largest = {kind: max(map(float, row)) for kind, row in rows.items()}
                self.assertLess(largest["double"], 1e-12, done.stdout)
                self.assertLess(largest["float"], 2e-5, done.stdout)
        self.assertEqual(len(files), 8)

    def test_draws_and_directions_are_told_of_a_module_too(self):
        flow = self.exported("ShearBothWays")
        done = run("flow", "verify", flow, "--draws", 128)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("all 128 have a finite x", done.stdout)
        shown = run("flow", "show", self.exported("Continuous", dim=3)).stdout
        self.assertIn("metric MALA inherits the error of the module's inverse", shown)
        self.assertIn("exact but for rounding", run("flow", "show", NAF).stdout)

    def test_an_inexact_inverse_is_announced(self):
        said = SAID[self.exported("Continuous", dim=3)]
        self.assertIn("from z: metric MALA inherits that", said)

    def test_any_number_of_ranks_draws_the_same_bits(self):
        compared = 0
        residual = self.exported("Residual", "--tile-width", 32, dim=3)
        differentiating = self.exported("Differentiating", "--tile-width", 32)
        for flow, many in ((differentiating, [2]), (residual, [3])):
            one = self.sample(*SHORT, "--force", flow=flow, output="1.h5", ranks=1)
            for ranks in many:
                other = self.sample(*SHORT, "--force", flow=flow, output="n.h5", ranks=ranks)
                self.assert_same_datasets(one, other)
                compared += 1
        self.assertEqual(compared, 2)

    def test_both_conventions_of_an_inverse_draw_the_same(self):
        # modules made from flow files return log|det dx/dz| from inverse, this one log|det dz/dx|
        shear = self.path("shear.h5")
        random_flow(shear, "--shear", 1.0)
        twin = exported("--flow", shear)
        options = ["--precision", "double", "--chains", 64, "--warmup", 20, "--draws", 5]
        runs = [
            self.sample(*options, flow=flow, output=f"{i}.h5")
            for i, flow in enumerate((twin, self.exported("ShearBothWays"), shear))
        ]
        x = [h5py.File(path)["posterior/x"][()] for path in runs]
        np.testing.assert_allclose(x[0], x[2], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(x[1], x[2], rtol=1e-9, atol=1e-9)


class Agreement(TorchScriptTest):
    """The same flow natively and by LibTorch, seeds apart: moments within 4 joint standard errors.
    4 and 128 moments: a false alarm in one of 120 pairs of seeds."""

    def agree(self, flow, *options):
        path = exported("--flow", flow)
        native = moments(self.sample(*options, flow=flow, output="a.h5", ranks=2))
        other = moments(self.sample(*options, "--seed", 7, flow=path, output="b.h5", ranks=2))
        for (one, error), (two, its_error) in zip(native, other):
            self.assertLess(abs(one - two) / math.hypot(error, its_error), 4.0)
        return len(native)

    def test_of_a_realnvp(self):
        self.assertEqual(self.agree(MOONS, "--chains", 256, "--warmup", 150, "--draws", 40), 4)

    def test_of_a_glow(self):
        flow = self.path("glow.h5")
        random_flow(flow, "--kind", "glow", "--dim", 64, "--layers", 1, "--widths", "8,8")
        self.assertEqual(self.agree(flow, "--chains", 64, "--warmup", 120, "--draws", 50), 128)


class ExactTargets(TorchScriptTest):
    def test_a_density_is_drawn_through_a_module(self):
        density = pathlib.Path(os.environ["FLOTILLA_DENSITIES"]) / "gaussian_mixture.so"
        words = ["--target", "explicit", "--density", density, "--density-args", 1]
        size = ["--chains", 64, "--warmup", 300, "--draws", 600, "--global-fraction", 0.2]
        # two modes of weights 0.3 and 0.7 at -1 and 1
        truth = [0.4, 0.0, 2.0, 1.0]
        compared = 0
        twin = exported("--flow", MOONS)
        for (mean, error), expected in zip(
            moments(self.sample(*size, *words, flow=twin)), truth
        ):
            self.assertLess(error, 0.1)
            self.assertLess(abs(mean - expected) / error, 4)
            compared += 1
        self.assertEqual(compared, 4)


class WithoutInverse(TorchScriptTest):
    def test_euclidean_and_global_moves_work(self):
        flow = self.exported("Shear", "--tile-width", 32)
        self.assertIn("no inverse", run("flow", "show", flow).stdout)
        self.assertEqual(run("flow", "verify", flow).returncode, 0)
        size = ["--chains", 512, "--warmup", 100, "--draws", 100, "--beta", 1, "--tile-width", 32]
        for output, options in (
            ("mala.h5", ["--kernel", "mala"]), ("global.h5", ["--global-fraction", 1])
        ):
            path = self.sample(*size, *options, flow=flow, output=output)
            # at beta = 1 z1 ~ N(-1, 1) and x2 ~ N(0, 1); 4 standard errors
            for (mean, error), truth in zip(moments(path), (-1.0, 0.0, 2.0, 1.0)):
                self.assertLess(abs(mean - truth) / error, 4.0, output)

    def test_posteriors_and_densities_need_none(self):
        flow = self.exported("Shear", "--tile-width", 32)
        with h5py.File(self.path("seen.h5"), "w") as file:
            file["y"], file["noise"], file["indices"] = [0.8], 0.5, [0]
        # x1 ~ N(0, 1) a priori, and x2 = z2 exp(x1)
        seen = ["posterior", "--observe", self.path("seen.h5")]
        given_y = (0.64, 0.0, 0.64**2 + 0.2, math.exp(2 * 0.64 + 2 * 0.2))
        density = pathlib.Path(os.environ["FLOTILLA_DENSITIES"]) / "gaussian_mixture.so"
        mixture = ["explicit", "--density", density, "--density-args", 1]
        rows = [
            (seen, ["--kernel", "ghmc"], given_y),
            (seen, ["--kernel", "mala"], given_y),
            (seen, ["--global-fraction", 1], given_y),
            # not by global moves alone: the density has heavier tails than the flow
            (mixture, ["--kernel", "ghmc", "--global-fraction", 0.2], (0.4, 0.0, 2.0, 1.0)),
        ]
        size = ["--chains", 128, "--warmup", 300, "--draws", 500, "--tile-width", 32, "--force"]
        compared = 0
        for target, kernel, truth in rows:
            path = self.sample(*size, "--target", *target, *kernel, flow=flow)
            for (mean, error), expected in zip(moments(path), truth, strict=True):
                self.assertLess(error, 0.2, kernel)
                self.assertLess(abs(mean - expected) / error, 4.0, kernel)
                compared += 1
        self.assertEqual(compared, 16)
        for target in (seen, mixture):
            words = ["--target", *target, "--kernel", "metric-mala", "-o", self.path("x.h5")]
            self.assertIn("--kernel ghmc", self.refused("sample", flow, *words))

    def test_what_needs_one_is_refused_by_name(self):
        flow = self.exported("ShearBothWays", "--no-inverse")
        words = ["--kernel", "metric-mala", "-o", self.path("x.h5")]
        said = self.refused("sample", flow, *words, ranks=2)
        self.assertIn("--kernel mala", said)
        with h5py.File(self.path("points.h5"), "w") as file:
            file["x"] = np.zeros((3, 2))
        words = ["--kernel", "mala", "--start", self.path("points.h5"), "-o", self.path("x.h5")]
        self.assertIn("--start needs", self.refused("sample", flow, *words, ranks=2))
        points = ["--points", self.path("points.h5"), "-o", self.path("out.h5")]
        self.assertIn("--inverse needs", self.refused("flow", "evaluate", flow, *points, "--inverse"))
        self.assertEqual(run("flow", "evaluate", flow, *points).returncode, 0)


class WhileRunning(TorchScriptTest):
    def test_memory_does_not_grow_from_step_to_step(self):
        flow = self.exported("Residual", dim=3)
        few, many = (self.peak_memory(flow, steps) for steps in (30, 600))
        self.assertLess(many - few, 8e6, f"{few} and {many} bytes")

    def peak_memory(self, flow, steps):
        words = ["sample", flow, "-o", self.path("m.h5"), "--force", "--quiet", "--chains", 64]
        words += ["--warmup", 0, "--draws", 10, "--thin", steps // 10]
        return memory_of(*words)

    def test_what_is_no_number_is_rejected_and_counted(self):
        path = self.sample(
            "--chains", 256, "--warmup", 20, "--draws", 100, "--beta", 0,
            flow=self.exported("NotANumber"), ranks=2,
        )
        with h5py.File(path) as file:
            self.assertGreater(file.attrs["non_finite_proposals"], 10)
            self.assertTrue(np.isfinite(file["posterior/x"][()]).all())
            self.assertLess(file["posterior/x"][..., 0].max(), 3.0)

    def test_a_module_that_raises_ends_all_ranks(self):
        flow = self.exported("raising")
        words = ["--chains", 512, "--kernel", "mala", "--global-fraction", 1, "--draws", 100]
        words += ["--thin", 1000]  # many steps, in a file that fits on small disks
        for target in (["--beta", 1], ["--target", "clipped"]):  # while drawing, while calibrating
            words = [*words, *target, "--force"]
            done = run("sample", flow, "-o", self.path("r.h5"), "--quiet", *words, ranks=3)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("the TorchScript module failed in 'forward'", done.stderr)
            self.assertIn("too far out", done.stderr)


class Exporting(TorchScriptTest):
    def said_of(self, model, *words):
        """The sentence in which a model is refused."""
        path = self.path("no.pt")
        code, said = exporting("--model", f"{HERE}/models.py:{model}", "-o", path, *words)
        self.assertEqual(code, 2, said)
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertFalse(pathlib.Path(path).exists())
        return said

    def test_modules_that_cannot_be_believed_are_refused(self):
        reasons = {
            "WrongInverse": "expected inverse(forward(z)) within",
            "WrongLogDet": "plus or minus that of forward",
            "WrongShape": "expected forward of [64, 2] to return",
            "Branching": "the module branches on values",
            "Converging": "iterates until it has converged",
            "Gregarious": "chains must not know of each other",
            "Continuous": "failed on points of --dim 2",
            "Missing": "Missing",
            "OnAnInterval": "InputOutsideDomain: without a message; a layer maps an interval alone",
            "WithoutADirection": "--no-inverse exports without it",
            "OwnDerivative": "or an autograd function of its own",
        }
        for model, reason in reasons.items():
            with self.subTest(model):
                self.assertIn(reason, self.said_of(model, "--dim", 2))

    def test_a_refused_trace_names_what_remains(self):
        for model in ("Branching", "OwnDerivative", "Gregarious"):
            self.assertIn("what remains is scripts/import_flow.py", self.said_of(model, "--dim", 2))

    def test_flows_of_libraries_need_no_dim_and_others_do(self):
        self.assertIn("or --dim with a module of your own", self.said_of("Shear"))
        said = self.said_of("OfALibrary", "--context", "0.5", "--dim", 3)
        self.assertIn("expected --dim 2, the model's, found 3", said)
        self.assertIn("a flow that wants more wants --context", self.said_of("OfALibrary"))


class Solvers(unittest.TestCase):
    """What stands in for autograd functions of zuko, against solutions in closed form."""

    def test_a_root_and_its_derivatives(self):
        y = torch.linspace(-60.0, 60.0, 41, dtype=torch.float64).requires_grad_()
        tilt = torch.full_like(y, 0.5).requires_grad_()
        # beyond the bracket, too: sinh(tilt x) = y
        x = library_flows._bisection(lambda x: torch.sinh(tilt * x), y, -5.0, 5.0)
        expected = torch.asinh(y) / tilt
        np.testing.assert_allclose(x.detach(), expected.detach(), rtol=1e-13, atol=1e-13)
        for variable in (y, tilt):
            found, wanted = (
                torch.autograd.grad(value.sum(), variable, retain_graph=True)[0]
                for value in (x, expected)
            )
            np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)

    def test_an_integral(self):
        end = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64).requires_grad_()
        found = library_flows._gauss_legendre(torch.exp, torch.zeros_like(end), end, 16)
        np.testing.assert_allclose(found.detach(), torch.expm1(end).detach(), atol=1e-13)
        (slope,) = torch.autograd.grad(found.sum(), end)
        np.testing.assert_allclose(slope, torch.exp(end).detach(), rtol=1e-12)

    def test_a_differential_equation_of_several(self):
        # dx/dt = x, dl/dt = t
        one = torch.ones(3, dtype=torch.float64)
        end = torch.tensor(1.0, dtype=torch.float64)
        x, area = library_flows._odeint(
            lambda t, x, area: (x, t * torch.ones_like(area)), (one, 0.0 * one), 0.0, end
        )
        np.testing.assert_allclose(x, math.e * one, atol=2e-7)  # RK4 of 24 steps
        np.testing.assert_allclose(area, 0.5 * one, atol=1e-14)

    def test_twice_the_steps_of_a_differential_equation(self):
        one = torch.ones(1, dtype=torch.float64)
        end = torch.tensor(1.0, dtype=torch.float64)

        def error(steps):
            found = library_flows._odeint(lambda t, x: x, one, 0.0, end, steps=steps)
            return abs(float(found) - math.e)

        ratio = error(24) / error(48)  # 16, of a method of order 4
        self.assertGreater(ratio, 14.0)
        self.assertLess(ratio, 18.0)


class Hostile(TorchScriptTest):
    """For any bytes: one sentence and exit code 2."""

    def refused_bytes(self, data):
        path = self.directory / "hostile.pt"
        path.write_bytes(data)
        return self.refused("flow", "show", path)

    def test_other_files(self):
        torch.jit.script(torch.nn.Linear(2, 2)).save(self.path("plain.pt"))
        self.assertIn("export_torchscript.py", self.refused("flow", "show", self.path("plain.pt")))
        torch.save({"weight": torch.ones(2)}, self.path("state.pt"))
        self.assertIn("TorchScript", self.refused("flow", "show", self.path("state.pt")))
        self.assertIn("TorchScript", self.refused_bytes(b"PK\3\4" + bytes(1000)))
        self.assertIn("TorchScript", self.refused_bytes(b"PK\3\4"))

    def test_those_of_a_newer_pytorch(self):
        def newer(name, data):
            return b"11\n" if name.endswith("/version") else data

        def unknown(name, data):
            return data.replace(b"torch.exp(", b"torch.newer(") if name.endswith(".py") else data

        whole = self.exported("ShearBothWays")
        for change in (newer, unknown):
            path = self.path(f"{change.__name__}.pt")
            with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
                for entry in old.infolist():
                    new.writestr(entry.filename, change(entry.filename, old.read(entry.filename)))
            self.assertIn("a newer PyTorch wrote it than LibTorch", self.refused("flow", "show", path))

    def test_truncated_ones(self):
        whole = pathlib.Path(self.exported("ShearBothWays")).read_bytes()
        for share in (0.02, 0.3, 0.7, 0.99):
            self.refused_bytes(whole[: int(share * len(whole))])

    def test_damaged_ones(self):
        whole = pathlib.Path(self.exported("ShearBothWays")).read_bytes()
        rng = np.random.default_rng(1)
        refused = 0
        for _ in range(8):
            data = bytearray(whole)
            for place in rng.integers(4, len(whole), 3):
                data[place] ^= int(rng.integers(1, 256))
            path = self.directory / "hostile.pt"
            path.write_bytes(data)
            done = run("flow", "verify", path)
            # Golden values verify the weights; nothing reads the names of source lines.
            self.assertIn(done.returncode, (0, 2), done.stderr)
            refused += done.returncode == 2
        self.assertGreater(refused, 2)

    def test_golden_values_that_are_not_reproduced(self):
        archive = torch.jit.load(self.exported("ShearBothWays"))
        golden = archive.golden
        golden["x"][3, 1] += 1e-6
        archive.golden = golden
        archive.save(self.path("wrong.pt"))
        said = self.refused("sample", self.path("wrong.pt"), "-o", self.path("x.h5"), ranks=2)
        self.assertIn("golden values", said)
        self.assertEqual(run("flow", "verify", self.path("wrong.pt")).returncode, 2)

    def test_a_tile_that_does_not_fit(self):
        flow = self.exported("ShearBothWays", "--tile-width", 96)
        words = ["--kernel", "metric-mala", "-o", self.path("x.h5")]
        said = self.refused("sample", flow, *words, ranks=2)
        self.assertIn("multiple of 96", said)
        self.sample("--chains", 10, "--draws", 2, "--tile-width", 96, flow=flow)

    def test_a_build_without_libtorch_says_how_to_get_it(self):
        # the same program with a search path that does not lead to the plugin
        program = pathlib.Path(PROGRAM).read_bytes()
        lost = program.replace(b"/src/torchscript", b"/src/nowhere____")
        self.assertNotEqual(program, lost)
        (self.directory / "flotilla").write_bytes(lost)
        (self.directory / "flotilla").chmod(0o755)
        done = subprocess.run(
            [self.directory / "flotilla", "flow", "show", str(NAF)],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("libtorch-dev", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
