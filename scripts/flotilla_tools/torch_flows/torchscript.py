# SPDX-License-Identifier: BSD-3-Clause
"""Writes any flow that PyTorch can trace as a TorchScript file for `flotilla sample`.

A trace keeps the operations of one batch, and for some modules also its size. So the file is made
for tiles of one width. It holds the module in single and in double precision, the base
density, and golden values that the module itself computed in double.
"""

import contextlib
import copy
import sys
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

import torch
from torch import Tensor, nn

from flotilla_tools.errors import InputError
from flotilla_tools.torch_flows.bases import BASES, StandardNormal
from flotilla_tools.torch_flows.computing import default_dtype
from flotilla_tools.torch_flows.flow import golden_values

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


class ExportError(InputError):
    """A module that cannot be exported."""


class Archive(nn.Module):
    """What a file holds; the program reads its attributes by their names."""

    golden: Dict[str, torch.Tensor]
    base_arrays: Dict[str, torch.Tensor]
    provenance: Dict[str, str]

    def __init__(
        self,
        single: Any,
        double: Any,
        dim: int,
        tile_width: int,
        base: Any,
        inverse_sign: int,
        golden: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.single, self.double_ = single, double
        self.format, self.format_version = FORMAT, FORMAT_VERSION
        self.dim, self.tile_width = dim, tile_width
        self.inverse_sign = inverse_sign
        self.base_type = base.type
        arrays = {name: torch.as_tensor(value) for name, value in base.record().arrays.items()}
        self.base_arrays = {name: value.double() for name, value in arrays.items()}
        self.golden = dict(golden)
        self.provenance = {name: str(value) for name, value in provenance.items()}

    def forward(self, z: Tensor) -> Any:
        return self.double_(z)


class _Sampling(nn.Module):
    """The module with the interface of a Flow. Golden values are computed from it."""

    context_dim = 0

    def __init__(self, module: Any, base: Any, dim: int) -> None:
        super().__init__()
        self.module, self.base, self.dim = module, base, dim

    def forward(self, z: Tensor) -> Any:
        return self.module(z)


# --- Looking at the module ----------------------------------------------------------------------


def expect_map(outputs: Any, name: str, points: Tensor) -> None:
    """Refuses a result that is not (points, log dets)."""
    shapes = "other types"
    if isinstance(outputs, tuple) and all(torch.is_tensor(value) for value in outputs):
        shapes = " and ".join(str(list(value.shape)) for value in outputs)
        if shapes == f"{list(points.shape)} and {list(points.shape[:1])}":
            return
    raise ExportError(
        f"expected {name} of {list(points.shape)} to return tensors of that shape and of "
        f"{list(points.shape[:1])}, found {shapes}"
    )


def inverse_sign(module: Any, z: Tensor) -> int:
    """+1 if inverse returns log|det dx/dz|, -1 if it returns log|det dz/dx|, 0 without inverse."""
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
    sign = min(by_sign, key=lambda one: by_sign[one])
    scale = 1.0 + float(log_det.abs().max())
    if not by_sign[sign] <= LARGEST_ROUND_TRIP * scale:
        raise ExportError(
            f"expected log_det of inverse to be plus or minus that of forward, found them "
            f"{by_sign[sign]:.1e} apart"
        )
    return sign


def inverse_golden(module: Any, golden: Mapping[str, Any], sign: int) -> dict[str, Any]:
    """The results of an inverse that is not exact, at the golden x and for J v; empty if it is
    exact."""
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


def results(module: Any, name: str, points: Tensor) -> tuple[Tensor, ...]:
    """What a method returns: (points, log dets), or the log densities alone."""
    found = getattr(module, name)(points)
    return (found,) if torch.is_tensor(found) else tuple(found)


def expect_independent(module: Any, name: str, points: Tensor) -> None:
    """Refuses a map in which a chain depends on the others of its batch."""
    alone = points.flip(0).clone()
    alone[0] = points[0]
    for together, apart in zip(results(module, name, points), results(module, name, alone)):
        distance = largest_deviation(apart[:1], together[:1])
        if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
            raise ExportError(
                f"expected {name} to map each point by itself, found one {distance:.1e} away in "
                "other company: chains must not know of each other"
            )


def traced(module: Any, points: Tensor, images: Tensor | None) -> Any:
    """The module as TorchScript, compared with the module at points that were not traced."""
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
        for found, wanted in zip(results(result, name, other), results(module, name, other)):
            distance = largest_deviation(found, wanted)
            if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
                raise ExportError(
                    f"expected the trace of {name} to compute what the module does, found it "
                    f"{distance:.1e} away at other points: the module branches on values, or "
                    "iterates until it has converged; fix the number of iterations, or make it "
                    "TorchScript with torch.jit.script and export that"
                )
    return result


def largest_deviation(found: Tensor, wanted: Tensor) -> float:
    """The largest |found - wanted| / max(1, |wanted|). NaN against NaN counts as no deviation."""
    both = ~(torch.isfinite(found) | torch.isfinite(wanted))
    relative = (found - wanted).abs() / wanted.abs().clamp(min=1.0)
    return float(relative.masked_fill(both, 0.0).max())


def first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


class _WithoutInverse(nn.Module):
    """The sampling direction alone."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, z: Tensor) -> Any:
        return self.module(z)


# --- Writing ------------------------------------------------------------------------------------


def export_torchscript(
    module: Any,
    path: str | Path,
    dim: int,
    base: Any = None,
    tile_width: int = 64,
    inverse: bool = True,
    provenance: Mapping[str, Any] | None = None,
) -> int:
    """Writes the module, by default with base density N(0, I). Returns the sign of its inverse, 0
    without one."""
    if not isinstance(module, nn.Module):
        raise ExportError(f"expected a torch.nn.Module, found a {type(module).__name__}")
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
    z = base.sample(tile_width, torch.Generator().manual_seed(1), torch.float64)
    with default_dtype(torch.float32):
        single = trace_of(fixed(module, torch.float32), z.float())
    with default_dtype(torch.float64):
        own = fixed(module, torch.float64)
        sign = inverse_sign(own, z)
        double = trace_of(own, z)
        found = golden_values(_Sampling(own, base, dim), draws=tile_width)
        if sign:
            found.update(inverse_golden(own, found, sign))
    golden = {name: torch.as_tensor(value) for name, value in found.items()}
    facts = {"exported_by": "export_torchscript.py", "torch": torch.__version__}
    archive = Archive(
        single, double, dim, tile_width, base, sign, golden, {**facts, **(provenance or {})}
    )
    torch.jit.script(archive).save(str(path))
    return sign


def fixed(module: Any, dtype: torch.dtype) -> Any:
    """A copy in this precision that is not trained."""
    own = copy.deepcopy(module).to(dtype)
    for parameter in own.parameters():
        parameter.requires_grad_(False)
    return own


def trace_of(module: Any, z: Tensor) -> Any:
    """The module as TorchScript, traced at z. An inverse is traced at the images of z."""
    expect_map(module(z), "forward", z)
    images = module(z)[0].detach() if hasattr(module, "inverse") else None
    return traced(module, z, images)


@contextlib.contextmanager
def failing_module(dim: int) -> Iterator[None]:
    """Turns any other failure of a module into one sentence; most often `dim` is wrong."""
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, AttributeError, TypeError, ValueError, KeyError) as problem:
        raise ExportError(
            f"the module failed on points of --dim {dim}: {type(problem).__name__}: "
            f"{first_line(problem)}"
        ) from None
