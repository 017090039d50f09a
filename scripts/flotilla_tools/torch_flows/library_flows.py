# SPDX-License-Identifier: BSD-3-Clause
"""Flows of known libraries with the interface of a module that can be exported.

    forward(z) -> (x, log|det dx/dz|), inverse(x) -> (z, log|det dz/dx|), base, dim

A flow is recognised by what it is made of, so flows of libraries that build on these, and classes
that derive from theirs, are recognised too.
"""

import contextlib
import functools
import math
import sys
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.errors import InputError
from flotilla_tools.importing import sbi
from flotilla_tools.torch_flows.bases import (
    Base,
    DiagonalNormal,
    GaussianMixture,
    StandardNormal,
    UniformBox,
)

LARGEST_BASE_DEVIATION = 1e-4
"""Of the log density of a base from the library's own, in single precision."""


class LibraryFlowError(InputError):
    """A flow of a known library that cannot be wrapped."""


class LibraryFlow(nn.Module):
    """A library's flow at one context [1 x numbers], as its layers see it."""

    base: Base
    dim: int
    context: Tensor | None
    accuracy: str = ""
    """Of what it does by steps, in words."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("context", context)

    def _context_of(self, points: Tensor) -> Tensor | None:
        """The context, once for each point."""
        return None if self.context is None else self.context.expand(len(points), -1)

    def own_base_density(self, z: Tensor) -> Tensor | None:
        """log q_Z(z) [n] by the library itself; None if it has no base density."""
        return None

    def expect_base(self) -> None:
        """Holds the base density against the library's own."""
        z = self.base.sample(32, torch.Generator().manual_seed(1), torch.float32)
        with torch.no_grad():
            own = self.own_base_density(z)
        if own is None:
            return
        distance = float((own - self.base.log_density(z)).abs().max())
        if not distance <= LARGEST_BASE_DEVIATION * (1.0 + float(own.abs().max())):
            raise LibraryFlowError(
                f"expected the base density to be a {self.base.type}, found its log density "
                f"{distance:.1e} away from the library's own"
            )


# --- nflows, glasflow, nessai, sbi ----------------------------------------------------------------


class TransformAndDistribution(LibraryFlow):
    """An nflows Flow: `_transform` from data to noise, `_distribution` of the noise."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__(model, context)
        self.base = _base_of(model._distribution, self.context)

    def forward(self, z: Tensor) -> Any:
        return self.model._transform.inverse(z, self._context_of(z))

    def inverse(self, x: Tensor) -> Any:
        return self.model._transform(x, self._context_of(x))

    def own_base_density(self, z: Tensor) -> Tensor | None:
        return self.model._distribution.log_prob(z, self._context_of(z))


# --- normflows ------------------------------------------------------------------------------------


class FlowsAndBase(LibraryFlow):
    """A normflows NormalizingFlow: `flows` from noise to data, `q0` of the noise."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__(model, context)
        if hasattr(model, "merges"):
            raise LibraryFlowError(
                "expected a flow without levels, found a MultiscaleFlow: scripts/import_flow.py "
                "converts it"
            )
        self.base = _base_of(model.q0, self.context)

    def _through(self, steps: Sequence[Callable[..., Any]], points: Tensor) -> Any:
        context, log_det = self._context_of(points), points.new_zeros(len(points))
        for step in steps:
            points, change = step(points) if context is None else step(points, context=context)
            log_det = log_det + change
        return points, log_det

    def forward(self, z: Tensor) -> Any:
        return self._through(list(self.model.flows), z)

    def inverse(self, x: Tensor) -> Any:
        return self._through([flow.inverse for flow in reversed(self.model.flows)], x)

    def own_base_density(self, z: Tensor) -> Tensor | None:
        context = self._context_of(z)
        return self.model.q0.log_prob(z) if context is None else self.model.q0.log_prob(z, context)


# --- zuko -----------------------------------------------------------------------------------------

BISECTIONS, NEWTON_STEPS = 20, 3
WIDENING = 16.0
"""Of a bracket: a root outside the library's own is found all the same."""

ODE_STEPS = 24


class LazyDistribution(LibraryFlow):
    """A zuko flow: a call with the context makes a distribution with `transform` and `base`."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__(model, context)
        for module in model.modules():
            if hasattr(module, "exact"):
                module.exact = True  # a trace of the Jacobian, not an estimate of it
        self.ode_steps = ODE_STEPS
        self.base = _base_of(self._distribution().base, None)
        if self.is_continuous():
            self.accuracy = self._accuracy()

    def _distribution(self) -> Any:
        return self.model(None if self.context is None else self.context[0])

    def is_continuous(self) -> bool:
        """Whether it solves differential equations."""
        return any(type(module).__name__ == "FFJTransform" for module in self.model.modules())

    def _images(self, z: Tensor, steps: int) -> Tensor:
        """x and log det [n x (dim + 1)] by so many steps."""
        self.ode_steps = steps
        x, log_det = self.forward(z)
        return torch.cat([x, log_det[:, None]], dim=1).detach()

    def _accuracy(self) -> str:
        """How far its steps are from finer ones and from the library's, in double precision."""
        z = self.base.sample(64, torch.Generator().manual_seed(1), torch.float32).double()
        self.double()
        finer, found = (self._images(z, steps) for steps in (2 * ODE_STEPS, ODE_STEPS))
        with torch.no_grad():
            own = self._distribution().transform.inv(z)
        self.float()
        return (
            f"RK4 by {ODE_STEPS} steps with the exact trace; of max(1, |value|), twice as many "
            f"change x and log det by {_relative(found, finer):.0e}, and x is "
            f"{_relative(found[:, :-1], own):.0e} from the library's adaptive solver"
        )

    def forward(self, z: Tensor) -> Any:
        with _solving_by_plain_operations("zuko", self.ode_steps):
            transform = self._distribution().transform
            x = transform.inv(z)
            return x, -transform.log_abs_det_jacobian(x, z)

    def inverse(self, x: Tensor) -> Any:
        with _solving_by_plain_operations("zuko", self.ode_steps):
            transform = self._distribution().transform
            if hasattr(transform, "call_and_ladj"):
                return transform.call_and_ladj(x)
            z = transform(x)
            return z, transform.log_abs_det_jacobian(x, z)

    def own_base_density(self, z: Tensor) -> Tensor | None:
        return self._distribution().base.log_prob(z)


class FlowMatching(LazyDistribution):
    """A FlowMatchingEstimator of sbi: `flow` makes the distribution at a context."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        if not hasattr(model, "flow"):
            raise LibraryFlowError(
                "expected a FlowMatchingEstimator that makes a flow of zuko, as sbi before 0.25 "
                "does, found none: give a module of your own with forward(z) and inverse(x)"
            )
        if context is None:
            raise LibraryFlowError("expected --context, an observation, for flow matching")
        super().__init__(model, context)

    def is_continuous(self) -> bool:
        return True

    def _distribution(self) -> Any:
        context: Any = self.context
        return self.model.flow(context[0])


def _relative(found: Tensor, expected: Tensor) -> float:
    """The largest |found - expected| / max(1, |expected|)."""
    return float(((found - expected).abs() / expected.abs().clamp(min=1.0)).max())


def _bisection(
    f: Callable[[Tensor], Tensor], y: Tensor, a: Any, b: Any, n: int = 16, phi: Any = ()
) -> Tensor:
    """The x between a and b with f(x) = y, f monotone: bisections, then Newton steps that stay in
    the bracket.  The last step has the derivatives of the root."""
    a, b = torch.as_tensor(a).to(y), torch.as_tensor(b).to(y)
    middle, half = 0.5 * (a + b), 0.5 * WIDENING * (b - a)
    a, b = middle - half, middle + half
    for _ in range(BISECTIONS):
        middle = 0.5 * (a + b)
        below = f(middle) < y
        a, b = torch.where(below, middle, a), torch.where(below, b, middle)
    x = 0.5 * (a + b)
    a, b = a - (b - a), b + (b - a)  # so that a root at its end is within it
    for _ in range(NEWTON_STEPS + 1):
        x = torch.minimum(torch.maximum(_newton(f, y, x), a), b)
    return x


def _newton(f: Callable[[Tensor], Tensor], y: Tensor, x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        value = f(x)
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return x - (value - y) / slope


def _gauss_legendre(
    f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, n: int = 3, phi: Any = ()
) -> Tensor:
    """The integral of f from a to b, by n points."""
    legendre: Any = np.polynomial.legendre
    nodes, weights = (torch.as_tensor(row).to(b) for row in legendre.leggauss(n))
    points = a[..., None] + (b - a)[..., None] * (0.5 * (nodes + 1.0))
    return 0.5 * (b - a) * torch.tensordot(weights, f(points.movedim(-1, 0)), dims=1)


def _odeint(
    f: Callable[..., Any],
    x: Any,
    t0: Any,
    t1: Any,
    phi: Any = (),
    atol: float = 0,
    rtol: float = 0,
    steps: int = ODE_STEPS,
) -> Any:
    """x(t1) of dx/dt = f(t, x) from x(t0), by steps of RK4 of one size; x a tensor or several."""
    several = not torch.is_tensor(x)
    state = tuple(x) if several else (x,)

    def slope(time: Any, at: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(f(time, *at)) if several else (f(time, *at),)

    def moved(by: float, along: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(one + by * step * change for one, change in zip(state, along))

    # Not of no dimension: beside a number, such a tensor forgets its precision in a file.
    first, last = (torch.as_tensor(time).to(state[0]).reshape(1) for time in (t0, t1))
    step = (last - first) / steps
    for k in range(steps):
        time = first + k * step
        k1 = slope(time, state)
        k2 = slope(time + 0.5 * step, moved(0.5, k1))
        k3 = slope(time + 0.5 * step, moved(0.5, k2))
        k4 = slope(time + step, moved(1.0, k3))
        state = tuple(
            one + step / 6.0 * (a + 2.0 * b + 2.0 * c + d)
            for one, a, b, c, d in zip(state, k1, k2, k3, k4)
        )
    return state if several else state[0]


SOLVERS = {"bisection": _bisection, "gauss_legendre": _gauss_legendre, "odeint": _odeint}
"""What zuko does in autograd functions of its own, which TorchScript cannot hold."""


@contextlib.contextmanager
def _solving_by_plain_operations(library: str, ode_steps: int) -> Iterator[None]:
    """Within it, the library's modules use SOLVERS."""
    replaced = []
    solvers: dict[str, Any] = {**SOLVERS, "odeint": functools.partial(_odeint, steps=ode_steps)}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] != library:
            continue
        for function, own in solvers.items():
            if hasattr(module, function):
                replaced.append((module, function, getattr(module, function)))
                setattr(module, function, own)
    try:
        yield
    finally:
        for module, function, original in replaced:
            setattr(module, function, original)


# --- FrEIA ----------------------------------------------------------------------------------------


class InvertibleNetwork(LibraryFlow):
    """A FrEIA SequenceINN or GraphINN: from data to noise, N(0, I)."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__(model, context)
        if hasattr(model, "shapes"):
            self.data_shape, self.noise_shape = model.shapes[0], model.shapes[-1]
        else:
            self.data_shape = _only(model.dims_in, "input")
            self.noise_shape = _only(model.global_out_shapes, "output")
        self.dim = math.prod(self.data_shape)
        self.base = StandardNormal(self.dim)

    def _run(self, points: Tensor, shape: Sequence[int], rev: bool) -> Any:
        conditions = [] if self.context is None else [self._context_of(points)]
        found, log_det = self.model(
            points.reshape(len(points), *shape), c=conditions, rev=rev, jac=True
        )
        image = found if torch.is_tensor(found) else found[0]
        return image.reshape(len(points), -1), log_det + points.new_zeros(len(points))

    def forward(self, z: Tensor) -> Any:
        return self._run(z, self.noise_shape, True)

    def inverse(self, x: Tensor) -> Any:
        return self._run(x, self.data_shape, False)


def _only(shapes: Sequence[Any], name: str) -> Any:
    if len(shapes) != 1:
        raise LibraryFlowError(f"expected a GraphINN of one {name}, found {len(shapes)}")
    return shapes[0]


# --- pyro and torch.distributions ----------------------------------------------------------------


class Transformed(LibraryFlow):
    """A TransformedDistribution: `transforms` from noise to data, `base_dist` of the noise."""

    def __init__(self, model: Any, context: Tensor | None) -> None:
        super().__init__(None, context)
        if hasattr(model, "condition"):
            if self.context is None:
                raise LibraryFlowError("expected --context for a conditional distribution")
            model = model.condition(self.context[0])
        # Not modules of this one: torch.jit would ask each for properties that it does not have.
        self.transforms = [t.eval() if isinstance(t, nn.Module) else t for t in model.transforms]
        self.base_dist = model.base_dist
        self.base = _base_of(self.base_dist, None)

    def own_base_density(self, z: Tensor) -> Tensor | None:
        return _of_points(self.base_dist.log_prob(z))

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Any:
        for transform in self.transforms:
            if isinstance(transform, nn.Module):
                transform._apply(fn)
                continue
            for name, value in list(vars(transform).items()):
                if torch.is_tensor(value):
                    setattr(transform, name, fn(value))
        return super()._apply(fn)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        for transform in self.transforms:
            if isinstance(transform, nn.Module):
                yield from transform.parameters()

    def forward(self, z: Tensor) -> Any:
        point, log_det = z, z.new_zeros(len(z))
        with _forgetting(self.transforms):
            for transform in self.transforms:
                image = transform(point)
                log_det = log_det + _of_points(transform.log_abs_det_jacobian(point, image))
                point = image
        return point, log_det

    def inverse(self, x: Tensor) -> Any:
        image, log_det = x, x.new_zeros(len(x))
        with _forgetting(self.transforms):
            for transform in reversed(self.transforms):
                point = transform.inv(image)
                log_det = log_det - _of_points(transform.log_abs_det_jacobian(point, image))
                image = point
        return image, log_det


@contextlib.contextmanager
def _forgetting(transforms: Sequence[Any]) -> Iterator[None]:
    """Takes back what transforms remember: pyro's keep the point that they mapped last, and what
    they computed at it."""
    before = [dict(vars(transform)) for transform in transforms]
    try:
        yield
    finally:
        for transform, attributes in zip(transforms, before):
            vars(transform).clear()
            vars(transform).update(attributes)


def _of_points(change: Tensor) -> Tensor:
    """Log dets of points, from those of their coordinates too."""
    return change.reshape(len(change), -1).sum(dim=1) if change.dim() > 1 else change


# --- Which library --------------------------------------------------------------------------------


class Library(NamedTuple):
    """How flows of a library are recognised: by their attributes, or by a class among theirs."""

    name: str
    attributes: tuple[str, ...]
    classes: tuple[str, ...]
    wrap: Callable[[Any, Tensor | None], LibraryFlow]


LIBRARIES = (
    Library("nflows", ("_transform", "_distribution"), (), TransformAndDistribution),
    Library("normflows", ("q0", "flows"), (), FlowsAndBase),
    Library("FrEIA", (), ("SequenceINN", "GraphINN", "ReversibleGraphNet"), InvertibleNetwork),
    Library(
        "pyro", (), ("TransformedDistribution", "ConditionalTransformedDistribution"), Transformed
    ),
    Library("zuko", (), ("LazyDistribution", "DistributionModule"), LazyDistribution),
    Library("sbi", (), ("FlowMatchingEstimator",), FlowMatching),
)


def library_of(model: Any) -> Library | None:
    """The library that a model is a flow of; None if it is of none."""
    classes = {kind.__name__ for kind in type(model).__mro__}
    for library in LIBRARIES:
        if library.attributes and all(hasattr(model, name) for name in library.attributes):
            return library
        if classes & set(library.classes):
            return library
    return None


def library_flow(model: Any, context: Sequence[float] = ()) -> LibraryFlow | None:
    """A model of a known library with the interface of a module to export; None for any other.

    @param context  of a conditional flow; by default the observation that a posterior was given
    @throws LibraryFlowError if it is one, but cannot be wrapped
    """
    whole = sbi.unwrapped(model)
    library = library_of(whole.flow)
    if library is None:
        return None
    given = f" at context {list(context)}" if context else " without --context"
    try:
        flow = library.wrap(_in_evaluation(whole.flow), _seen(whole, context))
        flow.dim = flow.base.sample(1, torch.Generator(), torch.float32).shape[1]
        flow.expect_base()
    except InputError:
        raise
    except Exception as problem:  # of the library, which may raise anything
        raise LibraryFlowError(
            f"expected a flow of {library.name} that works{given}, found "
            f"{type(problem).__name__}: {problem}"
        ) from None
    return flow.eval()


def _in_evaluation(model: Any) -> Any:
    return model.cpu().eval().float() if isinstance(model, nn.Module) else model


def _seen(whole: sbi.Conditional, context: Sequence[float]) -> Tensor | None:
    """What the layers see of a context: an embedding network is evaluated here, once."""
    if context:
        row = torch.tensor([list(context)], dtype=torch.float32)
    elif whole.observed is not None:
        row = whole.observed.detach().float().reshape(1, -1)
    else:
        return None
    if whole.embedding is not None:
        _in_evaluation(whole.embedding)
    with torch.no_grad():
        return sbi.embedded(whole, row)


def missing_inverse(flow: LibraryFlow) -> str:
    """Why a flow has no inverse; empty if it has one."""
    z = flow.base.float().sample(8, torch.Generator().manual_seed(1), torch.float32)
    with torch.no_grad():
        x = flow(z)[0]
        try:
            flow.inverse(x)
        except Exception as problem:  # of the library, which may raise anything
            return f"{type(problem).__name__}: {problem}"
    return ""


# --- Base densities -------------------------------------------------------------------------------


def _base_of(distribution: Any, context: Tensor | None) -> Base:
    """The base density of a library's distribution, held against its own log density."""
    while hasattr(distribution, "base_dist") and not hasattr(distribution, "transforms"):
        shape = distribution.batch_shape + distribution.event_shape
        distribution = distribution.base_dist
        if type(distribution).__name__ in ("Normal", "Uniform"):
            distribution = distribution.expand(shape)
    kind = type(distribution).__name__
    if kind not in BASES:
        raise LibraryFlowError(
            f"expected a base density among {', '.join(BASES)}, found a {kind}: give a module of "
            "your own with forward(z), inverse(x) and `base`, a density of "
            "flotilla_tools.torch_flows.bases"
        )
    return BASES[kind](distribution, context)


def _normal(loc: Any, scale: Any) -> Base:
    loc, scale = (torch.as_tensor(value).detach().reshape(-1).double() for value in (loc, scale))
    if bool((loc == 0).all()) and bool((scale == 1).all()):
        return StandardNormal(len(loc))
    return DiagonalNormal(loc, scale)


def _of_parameters(one: Any, context: Tensor | None) -> Base:
    """nflows' ConditionalDiagonalNormal: parameters are a function of the context."""
    if context is None:
        raise LibraryFlowError("expected --context for a conditional base density")
    means, log_scales = one._compute_params(context)
    return _normal(means, log_scales.detach().double().exp())


def _of_encoder(one: Any, context: Tensor | None) -> Base:
    """normflows' ConditionalDiagGaussian."""
    if context is None:
        raise LibraryFlowError("expected --context for a conditional base density")
    loc, log_scale = one.context_encoder(context).detach().chunk(2, dim=-1)
    return _normal(loc, log_scale.double().exp())


def _mixture(one: Any, _: Tensor | None) -> Base:
    weights, loc, log_scale = (
        values.detach().double() for values in (one.weight_scores, one.loc, one.log_scale)
    )
    return GaussianMixture(weights.softmax(-1).reshape(-1), loc[0], log_scale[0].exp())


def _box(low: Any, high: Any, dim: int) -> Base:
    return UniformBox(*(torch.as_tensor(v).double().reshape(-1).expand(dim) for v in (low, high)))


BASES: Mapping[str, Callable[[Any, Tensor | None], Base]] = {
    "StandardNormal": lambda one, _: StandardNormal(math.prod(one._shape)),
    "DiagonalNormal": lambda one, _: _normal(one.mean_, one.log_std_.detach().double().exp()),
    "ConditionalDiagonalNormal": _of_parameters,
    "DiagGaussian": lambda one, _: _normal(one.loc, one.log_scale.detach().double().exp()),
    "ConditionalDiagGaussian": _of_encoder,
    "GaussianMixture": _mixture,
    "Normal": lambda one, _: _normal(one.loc, one.scale),
    "Uniform": lambda one, _: _box(one.low, one.high, max(one.low.numel(), _size(one))),
}
"""By the name of a library's class."""


def _size(one: Any) -> int:
    return int(math.prod(getattr(one, "shape", None) or one.batch_shape))
