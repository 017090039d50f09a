# SPDX-License-Identifier: BSD-3-Clause
"""Writes any flow that PyTorch can trace as a TorchScript file for `flotilla sample`.

A trace keeps the operations of one batch, and for some modules also its size. So the file is made
for tiles of one width. It holds the module in single and in double precision, the base
density, and golden values that the module itself computed in double.
"""

import contextlib
import copy
import io
import sys
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Sequence

import torch
from torch import Tensor, nn

from flotilla_tools.errors import InputError
from flotilla_tools.torch_flows.bases import BASES, StandardNormal
from flotilla_tools.torch_flows.computing import default_dtype
from flotilla_tools.torch_flows.flow import golden_values
from flotilla_tools.torch_flows.plain_operations import Recorded

FORMAT = "flotilla-torchscript"
FORMAT_VERSION = 1

LARGEST_TRACE_DEVIATION = {torch.float32: 1e-4, torch.float64: 1e-10}
"""|traced - module| / max(1, |module|) at points that were not traced."""

LARGEST_GRADIENT_DEVIATION = {torch.float32: 1e-2, torch.float64: 1e-8}
"""The same of derivatives, over the largest of them."""

OTHER_WAYS = (
    "what remains is scripts/import_flow.py, if it knows the layer, or a module of your own whose "
    "derivatives are operations of tensors (tests/torchscript/train_naf.py has one for zuko's NAF)"
)
"""How refusals of a trace end."""

LARGEST_ROUND_TRIP = 1e-3
"""|f^-1(f(z)) - z| in double precision beyond which an inverse is none."""

LARGEST_EXACT = 1e-10
"""Deviation of an inverse that is exact but for rounding; the program allows ten times as much."""

FARTHEST = 1.5
"""How much farther out than draws of q_Z a trace is held against its module."""

FAR_OUT = 4.0
"""How much farther out than draws of q_Z points are traced."""

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
        f"{list(points.shape[:1])}, the point and log|det J|, found {shapes}"
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
                "other company: chains must not know of each other; an iteration that ends when "
                f"the whole batch has converged, or a random estimate, does not do; {OTHER_WAYS}"
            )


def traced(module: Any, points: Tensor, images: Tensor | None) -> Any:
    """The module as TorchScript, compared with the module at points that were not traced."""
    far = torch.randn(points.shape, generator=torch.Generator().manual_seed(2)).to(points)
    others = [("forward", FARTHEST * far), ("forward", -FARTHEST * far)]
    if images is not None:
        others += [("inverse", module(values)[0].detach()) for _, values in others]
    for name, values in others:
        expect_independent(module, name, values)
    if isinstance(module, torch.jit.ScriptModule):
        return module
    others += [("forward", scale * far) for scale in (0.1, FAR_OUT) if works(module, scale * far)]
    first: Exception | None = None
    for attempt in (module_itself, module_far_out, module_recorded):
        try:
            return faithful_trace(*attempt(module, points, images), module, others)
        except Exception as problem:  # torch has no type of its own for what it cannot trace
            first = first or problem  # the one that a user can mend
    raise untraceable(first) from None


def works(module: Any, points: Tensor) -> bool:
    """Whether a module maps these points, which may be outside its domain."""
    try:
        module(points)
    except Exception:  # of the module, which may raise anything
        return False
    return True


class Traceable(NamedTuple):
    """What to trace, and where."""

    module: Any
    points: Tensor
    images: Tensor | None


def module_itself(module: Any, points: Tensor, images: Tensor | None) -> Traceable:
    return Traceable(module, points, images)


def module_far_out(module: Any, points: Tensor, images: Tensor | None) -> Traceable:
    """The module at points half of which are far out: a trace of an assignment to the points beyond
    a bound fails later if there was none, or one, when it was traced."""
    far = points.clone()
    far[::2] *= FAR_OUT
    return Traceable(module, far, None if images is None else module(far)[0].detach())


def module_recorded(module: Any, points: Tensor, images: Tensor | None) -> Traceable:
    """The module's operations, those of its own automatic differentiation too."""
    return Traceable(Recorded(module, points, images), points, images)


def untraceable(problem: Exception | None) -> ExportError:
    if isinstance(problem, ExportError):
        return problem
    return ExportError(
        f"expected a module that can be traced, found: {last_line(problem)}: a layer uses "
        "automatic differentiation, or an autograd function of its own, in a way that TorchScript "
        f"cannot hold; {OTHER_WAYS}"
    )


def faithful_trace(
    traceable: Any, points: Tensor, images: Tensor | None, module: Any, others: Sequence[Any]
) -> Any:
    """A trace of `traceable` at the points that computes what the module does at others, and the
    same derivatives."""
    inputs = {"forward": points} if images is None else {"forward": points, "inverse": images}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        result = torch.jit.trace_module(traceable, inputs, check_trace=False)
        torch.jit.save(result, io.BytesIO())  # calls of Python are found out here
    for name, other in others:
        found, wanted = results(result, name, other), results(module, name, other)
        distance = max(largest_deviation(one, two) for one, two in zip(found, wanted))
        if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
            raise ExportError(
                f"expected the trace of {name} to compute what the module does, found it "
                f"{distance:.1e} away at other points: the module branches on values, or "
                "iterates until it has converged; fix the number of iterations, or make it "
                f"TorchScript with torch.jit.script and export that; {OTHER_WAYS}"
            )
        own = gradient(module, name, other)
        scale = own.abs().max().clamp(min=1.0)
        distance = largest_deviation(gradient(result, name, other) / scale, own / scale)
        if not distance <= LARGEST_GRADIENT_DEVIATION[points.dtype]:
            raise ExportError(
                f"expected the trace of {name} to have the derivatives of the module, found them "
                f"{distance:.1e} away: an autograd function of the module's own says what they "
                f"are, and a trace does not hold it; {OTHER_WAYS}"
            )
    return result


def gradient(module: Any, name: str, points: Tensor) -> Tensor:
    """The derivative of a weighted sum of all results of a method."""
    points = points.detach().clone().requires_grad_()
    total = points.sum() * 0.0
    for k, values in enumerate(results(module, name, points)):
        weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(k))
        total = total + (weights.to(values) * values).sum()
    (found,) = torch.autograd.grad(total, points)
    return found


def largest_deviation(found: Tensor, wanted: Tensor) -> float:
    """The largest |found - wanted| / max(1, |wanted|). NaN against NaN counts as no deviation."""
    both = ~(torch.isfinite(found) | torch.isfinite(wanted))
    relative = (found - wanted).abs() / wanted.abs().clamp(min=1.0)
    return float(relative.masked_fill(both, 0.0).max())


def last_line(problem: Exception | None) -> str:
    """The reason that an error gives: the interpreter of TorchScript shows its stack first."""
    lines = [line for line in str(problem).splitlines() if line.strip()]
    stack = any(line.startswith("Traceback of TorchScript") for line in lines)
    return (lines or ["without a message"])[-1 if stack else 0]


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
        own_single = fixed(module, torch.float32)
        single = trace_of(own_single, z.float())
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
    partial = Path(f"{path}.partial")
    torch.jit.script(archive).save(str(partial))
    try:
        expect_the_same(torch.jit.load(str(partial)), own_single, own, z)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return sign


def expect_the_same(archive: Any, single: Any, double: Any, z: Tensor) -> None:
    """Holds what was written, and read again, against the modules."""
    for found, module, points in (
        (archive.single, single, z.float()),
        (archive.double_, double, z),
    ):
        with default_dtype(points.dtype):
            directions = {"forward": points}
            if hasattr(module, "inverse"):
                directions["inverse"] = module(points)[0].detach()
            for name, values in directions.items():
                try:
                    pairs = zip(results(found, name, values), results(module, name, values))
                    distance = max(largest_deviation(one, two) for one, two in pairs)
                except RuntimeError as problem:
                    raise untraceable(problem) from None
                if not distance <= LARGEST_TRACE_DEVIATION[points.dtype]:
                    raise ExportError(
                        f"expected {name} in the file to compute what the module does, found it "
                        f"{distance:.1e} away; {OTHER_WAYS}"
                    )


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


NEXT_STEPS: Mapping[str, str] = {
    "InputOutsideDomain": "a layer maps an interval alone, and points reach it from outside: it "
    "wants a Sigmoid before it, a box as the base density, or tails='linear'",
    "NotImplementedError": "a direction of a layer does not exist; if it is the inverse, "
    "--no-inverse exports without it",
    "KeyError": "a layer misses what it keeps of an earlier call; if it is the inverse, "
    "--no-inverse exports without it",
    "AttributeError": "the module lacks something: another version of its library, or a flow that "
    "wants --context",
    "TypeError": "the module was called with forward(z) and inverse(x), a batch [n x dim]: a flow "
    "that wants more wants --context, or an adapter, see --help",
}
"""By the class of what a module raised: what it means, and what to do."""


@contextlib.contextmanager
def failing_module(dim: int) -> Iterator[None]:
    """Turns any other failure of a module into one sentence with the next step; most often `dim` is
    wrong."""
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except Exception as problem:  # of the module, which may raise anything
        kind = type(problem).__name__
        step = NEXT_STEPS.get(kind, "is --dim right, and the context?")
        raise ExportError(
            f"the module failed on points of --dim {dim}: {kind}: {last_line(problem)}; {step}"
        ) from None
