#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Writes any flow or log density that PyTorch can trace as a TorchScript file for the program.

    export_torchscript.py --model mine.py:make_flow --state-dict trained.pt --dim 3 -o mine.pt
    export_torchscript.py --flow two_moons.h5 -o two_moons.pt
    export_torchscript.py --density mine.py:make_density --dim 3 -o density.pt

The model is a flow of nflows, normflows, zuko, FrEIA, pyro or torch.distributions as the library
makes it, with its base density, at --context; or a torch.nn.Module with

    forward(z) -> (x, log_det)    [n x dim] and log|det dx/dz| [n]
    inverse(x) -> (z, log_det)    the same of x; optional

log_det of inverse may be log|det dz/dx| or log|det dx/dz|: which one is found out.  Without an
inverse (or with --no-inverse) the program runs Euclidean MALA and independent proposals, not metric
MALA.

A trace keeps the operations that one batch went through, and some modules keep its size too: the
file is made for tiles of --tile-width chains, and the program cuts its batches to that.  A module
that is TorchScript already (torch.jit.script) is taken as it is.  The file holds the module in
single and in double precision, the base density, and golden values that the module itself computed
in double; the program recomputes them before it draws.

A log density is a torch.nn.Module with forward(x) -> [n], in nats up to a constant. The program
takes it as --density, in double precision, and differentiates it.

From Python, with scripts/ on PYTHONPATH:

    from flotilla_tools.torch_flows.torchscript import export_torchscript
    export_torchscript(module, "mine.pt", dim=3)
    from flotilla_tools.torch_flows.torchscript_density import export_density
    export_density(module, "density.pt", dim=3)
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.arrays import expect_directory
from flotilla_tools.errors import InputError
from flotilla_tools.importing.loading import load_model, load_weights
from flotilla_tools.starting import positive
from flotilla_tools.torch_flows.computing import PRECISIONS, set_threads
from flotilla_tools.torch_flows.flow import load_flow
from flotilla_tools.torch_flows.library_flows import (
    LIBRARIES,
    LibraryFlow,
    library_flow,
    missing_inverse,
)
from flotilla_tools.torch_flows.torchscript import export_torchscript, failing_module
from flotilla_tools.torch_flows.torchscript_density import export_density


class Options(argparse.Namespace):
    output: Path
    model: str | None
    density: str | None
    state_dict: Path | None
    part: str
    dim: int | None
    flow: Path | None
    context: str
    tile_width: int
    inverse: bool


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="TorchScript file to write")
    add("--model", metavar="FILE.py:FUNCTION", help="makes the module")
    add("--density", metavar="FILE.py:FUNCTION", help="makes a log density instead")
    add("--state-dict", type=Path, help="its trained weights: a checkpoint as it was saved")
    add("--part", default="", help="the part of it that is the module, as in state_dict:flow.")
    add("--dim", type=positive(int), help="coordinates of z or x; a library's flow knows its own")
    add("--flow", type=Path, help="a flow file instead: the same flow, run by PyTorch")
    add_common(
        parser,
        context={},
    )
    add(
        "--tile-width",
        type=positive(int),
        default=64,
        help="chains in a batch of the trace (default %(default)s)",
    )
    add("--no-inverse", dest="inverse", action="store_false", help="leave the inverse out")
    options = parser.parse_args(arguments, namespace=Options())
    given = [options.model, options.density, options.flow]
    if sum(source is not None for source in given) != 1:
        parser.error("expected one of --model, --density and --flow")
    if options.density and not options.dim:
        parser.error("expected --dim with --density, found none")
    return options


def own_module(options: Options, name: str) -> Any:
    """What a user's function makes, with its trained weights."""
    module = load_model(name)
    if options.state_dict:
        for note in load_weights(module, options.state_dict, options.part):
            print(f"note: {note}")
    return module


def numbers_of(context: str) -> list[float]:
    try:
        return [float(word) for word in context.split(",") if word]
    except ValueError:
        raise InputError(f"expected --context with numbers, 0.5,-1, found '{context}'") from None


def own_flow(options: Options, name: str) -> tuple[Any, int]:
    """A user's flow with the interface of a module to export, and its dimension."""
    model = own_module(options, name)
    flow = library_flow(model, numbers_of(options.context))
    if flow is not None:
        if options.dim not in (None, flow.dim):
            raise InputError(f"expected --dim {flow.dim}, the model's, found {options.dim}")
        return flow, flow.dim
    if options.dim is None:
        raise InputError(
            f"--model {name}: expected a flow of {', '.join(library.name for library in LIBRARIES)}"
            f", or --dim with a module of your own, found a {type(model).__name__} without --dim"
        )
    return model, options.dim


def write_density(options: Options, name: str) -> None:
    module, dim = own_module(options, name), options.dim or 0
    with failing_module(dim):
        export_density(module, options.output, dim, options.tile_width, {"exported_from": name})
    print(f"{options.output}: a density, dim {dim}, tiles of {options.tile_width} points")


def write_flow(options: Options) -> None:
    if options.flow:
        module = load_flow(options.flow, PRECISIONS["double"], options.context)
        dim, origin = module.dim, options.flow.name
    else:
        origin = str(options.model)
        module, dim = own_flow(options, origin)
    accuracy = getattr(module, "accuracy", "")
    if accuracy:
        print(f"note: {accuracy}")
    with failing_module(dim):
        if isinstance(module, LibraryFlow) and options.inverse:
            lacking = missing_inverse(module)
            if lacking:
                print(f"exported without an inverse, which fails: {lacking}", file=sys.stderr)
                options.inverse = False
        sign = export_torchscript(
            module,
            options.output,
            dim,
            getattr(module, "base", None),
            options.tile_width,
            options.inverse,
            {"exported_from": origin, **({"solved": accuracy} if accuracy else {})},
        )
    ending = "" if sign else ", without an inverse: Euclidean and independence kernels only"
    print(f"{options.output}: dim {dim}, tiles of {options.tile_width} chains{ending}")


def export(options: Options) -> None:
    set_threads(1)
    expect_directory(options.output)
    if options.density:
        write_density(options, options.density)
    else:
        write_flow(options)


if __name__ == "__main__":
    starting.run(parse, export)
