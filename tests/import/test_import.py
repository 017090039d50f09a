# SPDX-License-Identifier: BSD-3-Clause
"""Flows trained with nflows, normflows and zuko, imported without these libraries: each reproduces
what its library computed, and runs like any other flow."""

import math
import pathlib
import subprocess
import sys
import unittest

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from flotilla_tools.importing import conversion, loading  # noqa: E402
from flotilla_tools.importing.networks import ConversionError  # noqa: E402
from flotilla_tools.torch_flows.flow import load_flow  # noqa: E402
from program import PYTHON, SOURCE, ProgramTest, moments, run  # noqa: E402

FIXTURES = HERE / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))

# Tolerances in double, and in float: roundings of 6e-8, amplified by a trained flow.
DOUBLE_TOLERANCE, FLOAT_TOLERANCE = 1e-10, 1e-4


def parts(name):
    """The description and the state dict of a fixture."""
    description = loading.load_description(FIXTURES / f"{name}.json")
    return description, loading.load_state_dict(FIXTURES / f"{name}.pt")


class ImportTest(ProgramTest):
    def imported(self, name):
        """Imports a fixture with the functions of the script; returns the flow file."""
        contents = conversion.convert(*parts(name))
        with np.load(FIXTURES / f"{name}.npz") as file:
            golden = {key: file[key] for key in file.files}
        path = self.path(f"{name}.h5")
        conversion.write(path, contents, golden, {"imported_from": name})
        return path


class Fixtures(ImportTest):
    def test_every_library_has_every_kind(self):
        kinds = ("realnvp", "nice", "maf", "coupling_spline", "autoregressive_spline", "context")
        monotone = (
            "bernstein", "circular", "gaussianization", "integrated_network", "monotone_network",
            "sum_of_squares",
        )
        others = {
            "freia": ("all_in_one", "affine_blocks", "nice", "context", "forward"),
            "pyro": (
                "coupling", "autoregressive", "spline_coupling", "quadratic_spline_coupling",
                "spline_autoregressive", "context",
            ),
            "nflows": (
                *kinds, "of_glasflow", "of_glasflow_context", "of_nessai", "linear_spline",
                "quadratic_spline", "cubic_spline", "rational_quadratic_spline", "functions", "umnn",
            ),
            "zuko": (*kinds, *monotone),
        }
        wanted = {
            f"{library}_{kind}"
            for library in conversion.LIBRARIES
            for kind in others.get(library, kinds)
        }
        self.assertEqual(wanted - set(NAMES), set())

    def test_they_verify_in_double_and_in_float(self):
        verified = 0
        for name in NAMES:
            with self.subTest(flow=name):
                done = run("flow", "verify", self.imported(name))
                self.assertEqual(done.returncode, 0, done.stderr)
                rows = {row.split()[0]: row.split()[1:9] for row in done.stdout.splitlines()[2:]}
                largest = {kind: max(map(float, row)) for kind, row in rows.items()}
                self.assertLess(largest["double"], DOUBLE_TOLERANCE, done.stdout)
                self.assertLess(largest["float"], FLOAT_TOLERANCE, done.stdout)
                verified += 1
        self.assertEqual(verified, len(NAMES))
        self.assertGreaterEqual(verified, 18)

    def test_a_box_is_a_circle_where_every_layer_goes_round_it(self):
        def circles(change):
            description, state = parts("normflows_circles")
            change(description["layers"])
            return conversion.convert(description, state).base.arrays.get("circular", np.zeros(3))

        def linear_end(layers):
            layers[0]["tails"][0] = "linear"

        self.assertEqual(circles(lambda layers: None).tolist(), [1, 1, 1])
        moved = parts("normflows_circles")[0]["layers"][0]["moved"][0]
        self.assertEqual(circles(linear_end).tolist(), [int(i != moved) for i in range(3)])
        self.assertEqual(circles(lambda layers: layers[1].update(bound=2.0)).tolist(), [0, 0, 0])

    def test_the_script_does_it_from_the_command_line(self):
        name, path = "nflows_maf", self.path("maf.h5")
        words = ["-o", path, "--description", FIXTURES / f"{name}.json"]
        words += ["--state-dict", FIXTURES / f"{name}.pt", "--golden", FIXTURES / f"{name}.npz"]
        done = self.script(*words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(run("flow", "verify", path).returncode, 0)
        done = self.script(*words[:-2])  # without golden values
        self.assertEqual(done.returncode, 0)
        self.assertIn("cannot prove", done.stdout)
        self.assertIn("no golden values", run("flow", "verify", path).stderr)

    def script(self, *words):
        script = str(SOURCE / "scripts" / "import_flow.py")
        command = [PYTHON, script, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


class Refusals(ImportTest):
    """Nothing is skipped or approximated: the error names what does not fit."""

    def refused(self, name, change, *phrases):
        description, state = parts(name)
        change(description, state)
        with self.assertRaises(ConversionError) as caught:
            conversion.convert(description, state)
        for phrase in phrases:
            self.assertIn(phrase, str(caught.exception))

    def test_layers_and_bases_without_a_counterpart(self):
        unknown = {"nflows": "SqueezeTransform", "normflows": "HamiltonianMonteCarlo",
                   "zuko": "FFJTransform"}
        for library, kind in unknown.items():
            def layer(description, state, kind=kind):
                description["layers"][1]["class"] = kind

            def base(description, state):
                description["base"]["class"] = "Student"

            self.refused(f"{library}_maf", layer, f"layer 1 ({library}.{kind})", "no such layer")
            self.refused(f"{library}_maf", base, f"base ({library}.Student)", "no such base density")

    def test_options_without_a_counterpart(self):
        def setting(**options):
            return lambda description, state: description["layers"][0].update(options)

        self.refused("nflows_coupling_spline", setting(tails="square"), "layer 0", "tails are square")
        self.refused("nflows_coupling_spline", setting(tails=None), "layer 0", "has 34 outputs")
        self.refused("nflows_realnvp", setting(activation="mish"), "layer 0", "mish")
        self.refused("nflows_realnvp", setting(scale="cosh"), "layer 0", "cosh")
        self.refused("nflows_realnvp", setting(net="ConvResidualNet"), "ConvResidualNet")
        self.refused("normflows_blocks", setting(split_mode="odd"), "layer 0", "odd")
        self.refused("zuko_maf", setting(univariate="BernsteinTransform"), "BernsteinTransform")

    def test_a_default_that_the_entries_do_not_tell(self):
        def silent(description, state):
            del description["layers"][0]["slope"]

        self.refused("zuko_1_1_context", silent, "layer 0", "slope", "1e-4")

    def test_parts_of_freia_without_a_counterpart(self):
        def setting(**options):
            return lambda description, state: description["layers"][0].update(options)

        self.refused("freia_nice", setting(**{"class": "HaarDownsampling"}), "layer 0 (freia.Haar")
        self.refused("freia_nice", setting(F=[]), "layer 0", "no linear map")
        self.refused(
            "freia_context", setting(subnet1=[["0", "relu"], ["2", "linear"]]), "condition"
        )
        mixing = "module_list.1.w_perm"
        self.refused(
            "freia_all_in_one", lambda d, state: state[mixing].mul_(2.0), "not orthogonal"
        )

    def test_parts_of_pyro_without_a_counterpart(self):
        def setting(**options):
            return lambda description, state: description["layers"][0].update(options)

        self.refused("pyro_coupling", setting(**{"class": "Planar"}), "layer 0 (pyro.Planar")
        self.refused("pyro_spline_coupling", setting(order="cubic"), "layer 0", "cubic")

        def base(description, state):
            description["base"]["class"] = "Gumbel"

        self.refused("pyro_coupling", base, "base (pyro.Gumbel)", "no such base density")

    def test_states_that_do_not_fit(self):
        name = "nflows_nice"
        entry = "_transform._transforms.0.transform_net.final_layer.bias"
        self.refused(name, lambda d, state: state.update(extra=torch.zeros(1)), "extra", "described")
        self.refused(name, lambda d, state: d["layers"].pop(), "described")
        weight = entry.replace("bias", "weight")
        self.refused(name, lambda d, state: state.pop(weight), weight, "found none")
        self.refused(name, lambda d, state: d.update(library="tfp"), "library", "tfp")
        self.refused(name, lambda d, state: d.pop("layers"), "layers")

    def test_masks_that_are_not_autoregressive(self):
        def open_mask(description, state):
            for key in state:
                if key.endswith("mask"):
                    state[key] = torch.ones_like(state[key])

        self.refused("normflows_maf", open_mask, "layer 0", "not autoregressive")

    def test_a_conversion_that_computes_something_else_is_not_written(self):
        name = "nflows_maf"
        description, state = parts(name)
        for layer in description["layers"]:
            if "scale" in layer:
                layer["scale"] = "sigmoid"  # the form in earlier versions of nflows
        contents = conversion.convert(description, state)
        with np.load(FIXTURES / f"{name}.npz") as golden:
            with self.assertRaises(ConversionError) as caught:
                conversion.write(self.path("wrong.h5"), contents, dict(golden), {})
        self.assertIn("golden values", str(caught.exception))
        self.assertFalse(pathlib.Path(self.path("wrong.h5")).exists())


SAMPLED = {
    "freia_all_in_one": [],
    "nflows_autoregressive_spline": [],
    "normflows_realnvp": [],
    "pyro_spline_autoregressive": [],
    "zuko_context": ["--context", "0.5,-0.25"],
}


RANKED = (
    "nflows_cubic_spline", "nflows_umnn", "normflows_residual", "normflows_circular",
)
"""Flows with a direction that is an iteration, and on circles: on any ranks each chain takes the
same way."""


class Sampling(ImportTest):
    """Imports and samples one flow of each library, on the tempered target at beta = 0.5."""

    # 4 joint standard errors; 5 flows x 6 moments: a false alarm in one of 500 seeds.
    THRESHOLD = 4.0
    SIZE = ["--chains", 256, "--warmup", 500, "--draws", 400, "--thin", 2, "--beta", 0.5, "--seed", 3]

    def test_the_draws_have_the_moments_of_importance_sampling(self):
        compared = 0
        for name, options in SAMPLED.items():
            flow = self.imported(name)
            output = f"{name}_run.h5"
            path = self.sample(*self.SIZE, *options, flow=flow, ranks=2, output=output)
            found = moments(path)
            truth = self.importance_sampling(flow, options)
            for (mean, error), (expected, its_error) in zip(found, truth):
                distance = abs(mean - expected) / math.hypot(error, its_error)
                self.assertLess(distance, self.THRESHOLD, f"{name}: {found} {truth}")
                self.assertLess(its_error, 0.02)
                compared += 1
        self.assertEqual(compared, 6 * len(SAMPLED))

    @staticmethod
    def importance_sampling(path, options):
        """The same from independent draws of the base density, weighted by exp(-l / 2)."""
        flow = load_flow(path, torch.float64, options[1] if options else "")
        z = flow.base.sample(400000, torch.Generator().manual_seed(5), torch.float64)
        with torch.no_grad():
            x, log_det = (torch.cat(p) for p in zip(*(flow(part) for part in z.split(20000))))
        weights = torch.softmax(-0.5 * log_det, dim=0)[:, None]
        values = torch.cat([x, x**2], dim=1)
        mean = (weights * values).sum(dim=0)
        error = torch.sqrt((weights**2 * (values - mean) ** 2).sum(dim=0))
        return list(zip(mean.tolist(), error.tolist()))

    def test_any_number_of_ranks_draws_the_same_bits(self):
        size = ["--chains", 157, "--warmup", 60, "--draws", 30, "--tile-width", 32]
        compared = 0
        for name, options in {**SAMPLED, **dict.fromkeys(RANKED, [])}.items():
            flow = self.imported(name)
            one = self.sample(*size, *options, flow=flow, output=f"{name}_1.h5", ranks=1)
            for ranks in (2, 3):
                many = self.sample(
                    *size, *options, flow=flow, output=f"{name}_{ranks}.h5", ranks=ranks
                )
                self.assert_same_datasets(one, many)
                compared += 1
        self.assertEqual(compared, 2 * (len(SAMPLED) + len(RANKED)))


if __name__ == "__main__":
    unittest.main()
