#!/usr/bin/python3
"""Writes any flow that PyTorch can trace as a TorchScript file that `flotilla sample` runs.

    export_torchscript.py --model mine.py:make_flow --state-dict trained.pt --dim 3 -o mine.pt
    export_torchscript.py --flow two_moons.h5 -o two_moons.pt

The model is a torch.nn.Module with

    forward(z) -> (x, log_det)    [n x dim] and log|det dx/dz| [n]
    inverse(x) -> (z, log_det)    the same of x; optional

log_det of inverse may be log|det dz/dx| or log|det dx/dz|: which one is found out.  Without an inverse
(or with --no-inverse) the program runs Euclidean MALA and independent proposals, not metric MALA.

A trace keeps the operations that one batch went through, and some modules keep its size too: the file
is made for tiles of --tile-width chains, and the program cuts its batches to that.  A module that is
TorchScript already (torch.jit.script) is taken as it is.  The file holds the module in single and in
double precision, the base density, and golden values that the module itself computed in double; the
program recomputes them before it draws.

From Python: export_torchscript(module, "mine.pt", dim=3, base=StandardNormal(3)).
"""

import argparse
import copy
import sys
import warnings
from pathlib import Path
from typing import Dict

import torch
from torch import nn

from flow_bases import BASES, StandardNormal
from flow_conditioners import FlowFileError
from flow_torch import golden_values, load_flow
from import_flow import load_model, load_state_dict
from import_networks import ConversionError
from threads import set_threads
from train_flow import positive

FORMAT = "flotilla-torchscript"
FORMAT_VERSION = 1

LARGEST_TRACE_DEVIATION = {torch.float32: 1e-4, torch.float64: 1e-10}
"""|traced - module| / max(1, |module|) at points that were not traced."""

LARGEST_ROUND_TRIP = 1e-3
"""|f^-1(f(z)) - z| in double precision beyond which an inverse is none."""

LARGEST_EXACT = 1e-10
"""Deviation of an inverse that is exact but for rounding; the program allows ten times as much."""

FARTHEST = 1.5
"""How much farther out than draws of q_Z a trace is held against its module."""

WIDEST_TILE = 4096


class ExportError(ValueError):
    """A module that cannot be exported; the message is one sentence for the user."""


class Archive(nn.Module):
    """What a file holds; the program reads its attributes by their names."""

    golden: Dict[str, torch.Tensor]
    base_arrays: Dict[str, torch.Tensor]
    provenance: Dict[str, str]

    def __init__(self, single, double, dim, tile_width, base, inverse_sign, golden, provenance):
        super().__init__()
        self.single, self.double_ = single, double
        self.format, self.format_version = FORMAT, FORMAT_VERSION
        self.dim, self.tile_width = dim, tile_width
        self.inverse_sign = inverse_sign
        self.base_type = base.type
        arrays = {name: torch.as_tensor(value) for name, value in base.record().arrays.items()}
        self.base_arrays = {name: value.double() for name, value in arrays.items()}
        self.golden = golden
        self.provenance = {name: str(value) for name, value in provenance.items()}

    def forward(self, z):
        return self.double_(z)


class _Sampling(nn.Module):
    """The module behind the interface of a Flow: what golden values are computed from."""

    context_dim = 0

    def __init__(self, module, base, dim):
        super().__init__()
        self.module, self.base, self.dim = module, base, dim

    def forward(self, z):
        return self.module(z)


# --- Looking at the module ----------------------------------------------------------------------


def expect_map(outputs, name, points):
    """Refuses what is not (points, log dets)."""
    shapes = "other types"
    if isinstance(outputs, tuple) and all(torch.is_tensor(value) for value in outputs):
        shapes = " and ".join(str(list(value.shape)) for value in outputs)
        if shapes == f"{list(points.shape)} and {list(points.shape[:1])}":
            return
    raise ExportError(
        f"expected {name} of {list(points.shape)} to return tensors of that shape and of "
        f"{list(points.shape[:1])}, found {shapes}"
    )


def inverse_sign(module, z):
    """+1 where inverse returns log|det dx/dz|, -1 where log|det dz/dx|, 0 where there is none."""
    if not hasattr(module, "inverse"):
        return 0
    x, log_det = module(z)
    finite = torch.isfinite(x).all(dim=1)
    outputs = module.inverse(x)
    expect_map(outputs, "inverse", z)
    if not bool(finite.any()):
        raise ExportError("expected finite images of draws of the base density, found none")
    z, log_det, outputs = z[finite], log_det[finite], [values[finite] for values in outputs]
    distance = float((outputs[0] - z).abs().max())
    if not distance <= LARGEST_ROUND_TRIP:
        raise ExportError(
            f"expected inverse(forward(z)) within {LARGEST_ROUND_TRIP:g} of z, found a distance of "
            f"{distance:.1e}: mend the inverse, or export without it (--no-inverse)"
        )
    if distance > LARGEST_EXACT:
        print(
            f"inverse(forward(z)) is {distance:.1e} from z: metric MALA inherits that error",
            file=sys.stderr,
        )
    by_sign = {sign: float((outputs[1] - sign * log_det).abs().max()) for sign in (-1, 1)}
    sign = min(by_sign, key=by_sign.get)
    scale = 1.0 + float(log_det.abs().max())
    if not by_sign[sign] <= LARGEST_ROUND_TRIP * scale:
        raise ExportError(
            f"expected log_det of inverse to be plus or minus that of forward, found them "
            f"{by_sign[sign]:.1e} apart"
        )
    return sign


def inverse_golden(module, golden, sign):
    """What an inverse that is not exact makes of the golden x and of J v; nothing if it is exact."""
    x, jvp, z, tangent, log_det = (
        torch.as_tensor(golden[name]) for name in ("x", "jvp", "z", "tangent", "log_det")
    )
    (found_z, found_log_det), (found_tangent, _) = torch.autograd.functional.jvp(
        module.inverse, x, jvp
    )
    pairs = [(found_z, z), (found_tangent, tangent), (sign * found_log_det, log_det)]
    if max(largest_deviation(found, wanted) for found, wanted in pairs) <= LARGEST_EXACT:
        return {}
    return {"z_from_x": found_z, "tangent_from_jvp": found_tangent}


def expect_independent(module, name, points):
    """Refuses a map in which a chain depends on the others of its batch."""
    alone = points.flip(0).clone()
    alone[0] = points[0]
    for together, apart in zip(getattr(module, name)(points), getattr(module, name)(alone)):
        distance = largest_deviation(apart[:1], together[:1])
        if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
            raise ExportError(
                f"expected {name} to map each point by itself, found one {distance:.1e} away in "
                "other company: chains must not know of each other"
            )


def traced(module, points, images):
    """The module as TorchScript, held against itself at points that were not traced."""
    far = FARTHEST * torch.randn(points.shape, generator=torch.Generator().manual_seed(2))
    others = [("forward", far.to(points)), ("forward", -far.to(points))]
    if images is not None:
        others += [("inverse", module(values)[0].detach()) for _, values in others]
    for name, values in others:
        expect_independent(module, name, values)
    if isinstance(module, torch.jit.ScriptModule):
        return module
    inputs = {"forward": points} if images is None else {"forward": points, "inverse": images}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        try:
            result = torch.jit.trace_module(module, inputs, check_trace=False)
        except Exception as problem:  # torch has no type of its own for what it cannot trace
            raise ExportError(f"expected a module that can be traced, found: {first_line(problem)}")
    for name, other in others:
        for found, wanted in zip(getattr(result, name)(other), getattr(module, name)(other)):
            distance = largest_deviation(found, wanted)
            if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
                raise ExportError(
                    f"expected the trace of {name} to compute what the module does, found it "
                    f"{distance:.1e} away at other points: the module branches on values, or "
                    "iterates until it has converged; fix the number of iterations, or make it "
                    "TorchScript with torch.jit.script and export that"
                )
    return result


def largest_deviation(found, wanted):
    """|found - wanted| / max(1, |wanted|), no number against no number counting as none."""
    both = ~(torch.isfinite(found) | torch.isfinite(wanted))
    relative = (found - wanted).abs() / wanted.abs().clamp(min=1.0)
    return float(relative.masked_fill(both, 0.0).max())


def first_line(problem):
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


class _WithoutInverse(nn.Module):
    """The sampling direction alone."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, z):
        return self.module(z)


# --- Writing ------------------------------------------------------------------------------------


def export_torchscript(module, path, dim, base=None, tile_width=64, inverse=True, provenance=None):
    """Writes the module, with base density N(0, I) where none is given; returns its inverse's sign,
    0 without one."""
    if tile_width > WIDEST_TILE:
        raise ExportError(f"expected tiles of at most {WIDEST_TILE} chains, found {tile_width}")
    if base is not None and getattr(base, "type", None) not in BASES:
        raise ExportError(
            f"expected a base density of {', '.join(BASES)}, found a {type(base).__name__}"
        )
    module = module.cpu().eval()
    if not inverse:
        module = _WithoutInverse(module)
    base = (base or StandardNormal(dim)).double()
    precisions, usual = {}, torch.get_default_dtype()
    generator = torch.Generator().manual_seed(1)
    z = base.sample(tile_width, generator, torch.float64)
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)  # of what the module makes of Python's numbers
            own = copy.deepcopy(module).to(dtype)
            for parameter in own.parameters():
                parameter.requires_grad_(False)
            expect_map(own(z.to(dtype)), "forward", z)
            sign = inverse_sign(own, z) if dtype is torch.float64 else None
            images = own(z.to(dtype))[0].detach() if hasattr(own, "inverse") else None
            precisions[dtype] = traced(own, z.to(dtype), images)
        found = golden_values(_Sampling(own, base, dim), draws=tile_width)
        if sign:
            found.update(inverse_golden(own, found, sign))
    finally:
        torch.set_default_dtype(usual)
    golden = {name: torch.as_tensor(value) for name, value in found.items()}
    archive = Archive(
        precisions[torch.float32], precisions[torch.float64], dim, tile_width, base, sign, golden,
        {"exported_by": "export_torchscript.py", "torch": torch.__version__, **(provenance or {})},
    )
    torch.jit.script(archive).save(str(path))
    return sign


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="TorchScript file to write")
    add("--model", metavar="FILE.py:FUNCTION", help="makes the module")
    add("--state-dict", type=Path, help="its trained weights, by torch.save(model.state_dict())")
    add("--dim", type=positive(int), help="coordinates of z (with --model)")
    add("--flow", type=Path, help="a flow file instead: the same flow, run by PyTorch")
    add("--context", default="", help="of a conditional flow file: 0.5,-1")
    add("--tile-width", type=positive(int), default=64, help="chains (default %(default)s)")
    add("--no-inverse", dest="inverse", action="store_false", help="leave the inverse out")
    options = parser.parse_args(arguments)
    if (options.model is None) == (options.flow is None):
        parser.error("expected either --model or --flow")
    if options.model and not options.dim:
        parser.error("expected --dim with --model, found none")
    return options


def write(options):
    if not options.output.absolute().parent.is_dir():
        raise ExportError(
            f"expected a directory {options.output.parent} for the file, found none: make it"
        )
    if options.flow:
        flow = load_flow(options.flow, torch.float64, options.context)
        module, dim, base = flow, flow.dim, flow.base
        facts = {"exported_from": options.flow.name}
    else:
        module, dim, base = load_model(options.model), options.dim, None
        facts = {"exported_from": options.model}
        if options.state_dict:
            module.load_state_dict(load_state_dict(options.state_dict))
        if not isinstance(module, nn.Module):
            raise ExportError(f"expected a torch.nn.Module, found a {type(module).__name__}")
    base = getattr(module, "base", None) if base is None else base
    sign = export_torchscript(
        module, options.output, dim, base, options.tile_width, options.inverse, facts
    )
    ending = "" if sign else ", without an inverse: Euclidean and independence kernels only"
    print(f"{options.output}: dim {dim}, tiles of {options.tile_width} chains{ending}")


def main():
    options = parse()
    set_threads(1)
    try:
        write(options)
    except (ExportError, ConversionError, FlowFileError, OSError) as problem:
        sys.exit(f"export_torchscript.py: {problem}")
    except (RuntimeError, AttributeError, TypeError, ValueError, KeyError) as problem:
        # Whatever else the module or its weights do not bear, a wrong --dim above all.
        sys.exit(
            f"export_torchscript.py: the module failed on points of --dim {options.dim}: "
            f"{type(problem).__name__}: {first_line(problem)}"
        )


if __name__ == "__main__":
    main()
