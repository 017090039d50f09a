# SPDX-License-Identifier: BSD-3-Clause
"""Flows of pyro (pyro-ppl/pyro) as layers of a flow file: a TransformedDistribution, or a
ConditionalTransformedDistribution, and its base distribution.

pyro maps noise to data, so its transforms are in sampling order already.  A distribution is no
module: `as_module` makes one of it, whose state dict has the transforms by their numbers.
"""

from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import (
    ConversionError,
    Converter,
    Described,
    Network,
    Original,
    Parts,
    State,
)

PREFIX = "transforms."
SMALLEST = {"min_width": 1e-3, "min_height": 1e-3, "min_derivative": 1e-3}
TAIL_SLOPE = 1.0 - 1e-3
"""pyro's splines end with this slope, beside the 1 of the line outside."""

MIN_LAMBDA = 0.025


class Leaf(NamedTuple):
    """A transform that is not made of others."""

    transform: Original
    inverse: bool


class PyroFlow(nn.Module):
    """A transformed distribution as a module."""

    def __init__(self, distribution: Original) -> None:
        super().__init__()
        base = distribution.base_dist
        # A conditional distribution wraps a base that no context changes.
        self.base = getattr(base, "base_dist", base) if hasattr(base, "condition") else base
        self.leaves = list(_leaves(distribution.transforms))
        self.transforms = nn.ModuleDict(
            {
                str(k): leaf.transform
                for k, leaf in enumerate(self.leaves)
                if isinstance(leaf.transform, nn.Module)
            }
        )


def _leaves(transforms: Sequence[Original]) -> Iterator[Leaf]:
    for transform in transforms:
        kind = type(transform).__name__
        if kind in ("ComposeTransform", "ComposeTransformModule"):
            yield from _leaves(transform.parts)
        elif kind == "ConstantConditionalTransform":
            yield from _leaves([transform.transform])
        elif kind == "_InverseTransform":
            for leaf in reversed(list(_leaves([transform._inv]))):
                yield leaf._replace(inverse=not leaf.inverse)
        elif isinstance(transform, nn.Module):
            yield Leaf(transform, False)
        else:
            yield Leaf(transform.with_cache(0), False)  # what it keeps of a graph is not copied


def as_module(model: Original) -> Original:
    """A transformed distribution as a module; anything else as it is."""
    if isinstance(model, nn.Module) or not hasattr(model, "base_dist"):
        return model
    return PyroFlow(model) if hasattr(model, "transforms") else model


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a PyroFlow: all that its state dict does not tell."""
    base = _describe_base(model.base)
    layers: list[dict[str, Any]] = []
    for k, (transform, inverse) in enumerate(model.leaves):
        kind = type(transform).__name__
        try:
            if getattr(transform, "dim", -1) != -1:
                raise ConversionError("it works along an axis of images; converted are vectors")
            options = _OPTIONS.get(kind, networks.no_options)(transform)
        except ConversionError as problem:
            raise ConversionError(f"layer {k} (pyro.{kind}): {problem}") from None
        layer = {"class": kind, "prefix": f"{PREFIX}{k}", **options}
        layers.append({**layer, "inverse": True} if inverse else layer)
    return {"library": "pyro", "base": base, "layers": layers}


BASES = {
    "Normal": ("diagonal_normal", ("loc", "scale")),
    "Uniform": ("uniform_box", ("low", "high")),
}
"""Base densities: their types in flow files, and their arrays, here and there."""


def _innermost(base: Original) -> Original:
    while hasattr(base, "base_dist"):
        base = base.base_dist
    return base


def _describe_base(base: Original) -> dict[str, Any]:
    base = _innermost(base)
    kind = type(base).__name__
    if kind not in BASES:
        raise ConversionError(
            f"base (pyro.{kind}): flow files have no such base density (converted are: Normal, "
            "Uniform)"
        )
    return {"class": kind, **{n: getattr(base, n).double().tolist() for n in BASES[kind][1]}}


def _describe_net(net: Original) -> dict[str, Any]:
    if getattr(net, "skip_layer", None) is not None:
        raise ConversionError("its network has skip connections, which flow files do not have")
    if not hasattr(net, "layers") or not hasattr(net, "f"):
        raise ConversionError(
            f"its network {type(net).__name__} is neither DenseNN nor AutoRegressiveNN, nor one "
            "of their conditional forms"
        )
    return {
        "layers": len(net.layers),
        "activation": networks.describe_activation(net.f),
        "context": int(net.context_dim),
    }


def _describe_clips(part: Original) -> dict[str, Any]:
    given = getattr(part, "kwargs", {})
    if getattr(part, "stable", given.get("stable", False)):
        raise ConversionError(
            "its scale is shared with its shift (stable=True), which flow files do not have"
        )
    names = {"lowest": ("log_scale_min_clip", -5.0), "highest": ("log_scale_max_clip", 3.0)}
    return {
        own: float(getattr(part, name, given.get(name, usual)))
        for own, (name, usual) in names.items()
    }


def _describe_spline(part: Original) -> dict[str, Any]:
    given = getattr(part, "kwargs", {})
    usual = {"count_bins": 8, "bound": 3.0, "order": "linear"}
    found = {name: getattr(part, name, given.get(name, value)) for name, value in usual.items()}
    return {"bins": int(found["count_bins"]), "bound": float(found["bound"]),
            "order": str(found["order"])}


def _describe_numbers(*names: str) -> Callable[[Original], dict[str, Any]]:
    return lambda part: {
        name: torch.as_tensor(getattr(part, name)).double().tolist() for name in names
    }


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {
    "AffineAutoregressive": lambda p: {
        "net": "arn", **_describe_net(p.arn), **_describe_clips(p)
    },
    "AffineCoupling": lambda p: {
        "net": "nn", "split": int(p.split_dim), **_describe_net(p.nn), **_describe_clips(p)
    },
    "AffineTransform": _describe_numbers("loc", "scale"),
    "BatchNorm": lambda p: {"epsilon": float(p.epsilon)},
    "ConditionalAffineAutoregressive": lambda p: {
        "net": "nn", **_describe_net(p.nn), **_describe_clips(p)
    },
    "ConditionalAffineCoupling": lambda p: {
        "net": "nn", "split": int(p.split_dim), **_describe_net(p.nn), **_describe_clips(p)
    },
    "ConditionalSpline": lambda p: {
        "net": "nn", **_describe_net(p.nn), "context": int(p.nn.input_dim), **_describe_spline(p)
    },
    "ConditionalSplineAutoregressive": lambda p: {
        "net": "nn", **_describe_net(p.nn), **_describe_spline(p)
    },
    "LeakyReLUTransform": lambda p: {},
    "Permute": lambda p: {"permutation": p.permutation.tolist()},
    "SigmoidTransform": lambda p: {},
    "Spline": _describe_spline,
    "SplineAutoregressive": lambda p: {
        "net": "arn", **_describe_net(p.arn), **_describe_spline(p.spline)
    },
    "SplineCoupling": lambda p: {
        "net": "upper_spline.nn",
        "split": int(p.split_dim),
        "identity": bool(p.identity),
        **_describe_net(p.upper_spline.nn),
        **_describe_spline(p.upper_spline),
    },
}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    base, dim = _base(description["base"])
    layers = description["layers"]
    found = networks.convert_layers("pyro", PREFIX, CONVERTERS, layers, state, dim=dim)
    records: list[LayerRecord] = []
    for layer, own in zip(layers, found):
        records += networks.inverted(own) if layer.get("inverse") else own
    return dim, networks.context_dim(layers), base, records


def _base(base: Described) -> tuple[LayerRecord, int]:
    if base["class"] not in BASES:
        raise ConversionError(
            f"base (pyro.{base['class']}): flow files have no such base density (converted are: "
            f"{', '.join(BASES)})"
        )
    kind, names = BASES[base["class"]]
    arrays = {name: np.asarray(base[name], dtype=float).reshape(-1) for name in names}
    return LayerRecord(kind, {}, arrays), len(arrays[names[0]])


def _net(layer: Described, state: State) -> Network:
    """DenseNN and AutoRegressiveNN. Their first inputs are the context."""
    net, context = Network(), layer.get("context", 0)
    below = state.below(layer["net"])
    below.drop("permutation")
    for k in range(layer["layers"]):
        own = below.below(f"layers.{k}")
        weight, mask = own.take("weight"), own.take_if("mask")
        weight = weight if mask is None else weight * mask
        first = context if k == 0 else 0
        net.linear(weight[:, first:], own.take_if("bias"))
        if first > 0:
            net.add_context(weight[:, :first], None)
        if k + 1 < layer["layers"]:
            net.activation(layer["activation"])
    return net


def _first(layer: Described) -> Array:
    kept: Array = np.arange(layer["dim"]) < layer["split"]
    return kept


def _clamp(layer: Described) -> dict[str, Any]:
    return {"scale": "clamp", "lowest": layer["lowest"], "highest": layer["highest"]}


def _scales_first(net: Network, count: int) -> None:
    """pyro has the shifts first."""
    net.keep_outputs([*range(count, 2 * count), *range(count)])


def _affine_coupling(layer: Described, state: State) -> list[LayerRecord]:
    net = _net(layer, state)
    _scales_first(net, layer["dim"] - layer["split"])
    return [networks.coupling("affine", _clamp(layer), _first(layer), net)]


def _affine_autoregressive(layer: Described, state: State) -> list[LayerRecord]:
    net = _net(layer, state)
    _scales_first(net, layer["dim"])
    return [networks.autoregressive("affine", _clamp(layer), layer["dim"], net)]


def _spline(layer: Described) -> tuple[str, dict[str, Any]]:
    """(kind of map, attributes)"""
    bins, bound = float(layer["bins"]), float(layer["bound"])
    if layer["order"] == "linear":
        numbers = {**SMALLEST, "min_lambda": MIN_LAMBDA, "tail_slope": TAIL_SLOPE}
        return "rational_linear", {"bins": bins, "bound": bound, **numbers}
    if layer["order"] == "quadratic":
        attributes = networks.spline(bins, bound, "linear", **SMALLEST)
        return "spline", {**attributes, "tail_slope": TAIL_SLOPE}
    raise ConversionError(f"its order '{layer['order']}' is neither linear nor quadratic")


def _by_parameter(layer: Described, coordinates: int) -> list[int]:
    """Outputs of DenseNN, which has all widths of a coordinate together, then all heights, ..."""
    bins, rows, start = layer["bins"], [], 0
    for count in (bins, bins, bins - 1, bins)[: 4 if layer["order"] == "linear" else 3]:
        rows += [start + c * count + p for p in range(count) for c in range(coordinates)]
        start += count * coordinates
    return rows


def _constant_spline(layer: Described, moved: Array, state: State) -> LayerRecord:
    kind, attributes = _spline(layer)
    names = ["widths", "heights", "derivatives", *(["lambdas"] if kind != "spline" else [])]
    parameters = [state.take(f"unnormalized_{name}") for name in names]
    return networks.elementwise(kind, attributes, moved, np.concatenate(parameters, axis=1))


def _unconditional_spline(layer: Described, state: State) -> list[LayerRecord]:
    return [_constant_spline(layer, np.ones(layer["dim"]), state)]


def _context_spline(layer: Described, state: State) -> list[LayerRecord]:
    kind, attributes = _spline(layer)
    net = _net(layer, state)
    net.keep_outputs(_by_parameter(layer, layer["dim"]))
    return [networks.coupling(kind, attributes, np.zeros(layer["dim"], dtype=bool), net)]


def _spline_coupling(layer: Described, state: State) -> list[LayerRecord]:
    kind, attributes = _spline(layer)
    kept, net = _first(layer), _net(layer, state)
    net.keep_outputs(_by_parameter(layer, layer["dim"] - layer["split"]))
    records = [networks.coupling(kind, attributes, kept, net)]
    if not layer["identity"]:
        return [*records, _constant_spline(layer, kept, state.below("lower_spline"))]
    state.drop_below("lower_spline")
    return records


def _spline_autoregressive(layer: Described, state: State) -> list[LayerRecord]:
    kind, attributes = _spline(layer)
    net = _net(layer, state)
    state.drop_below("spline.nn")  # the same network, registered twice
    return [networks.autoregressive(kind, attributes, layer["dim"], net)]


def _batch_norm(layer: Described, state: State) -> list[LayerRecord]:
    gamma = np.maximum(state.take("gamma"), 0.0) + 1e-6
    scale = np.sqrt(state.take("moving_variance") + layer["epsilon"]) / gamma
    shift = state.take("moving_mean") - state.take("beta") * scale
    return [networks.diagonal_affine(scale, shift)]


def _affine(layer: Described, _state: State) -> list[LayerRecord]:
    scale, shift = (np.asarray(layer[name], dtype=float) for name in ("scale", "loc"))
    every = [np.broadcast_to(array, layer["dim"]).copy() for array in (scale, shift)]
    return [networks.diagonal_affine(*every)]


CONVERTERS: Mapping[str, Converter] = {
    "AffineAutoregressive": _affine_autoregressive,
    "AffineCoupling": _affine_coupling,
    "AffineTransform": _affine,
    "BatchNorm": _batch_norm,
    "ConditionalAffineAutoregressive": _affine_autoregressive,
    "ConditionalAffineCoupling": _affine_coupling,
    "ConditionalSpline": _context_spline,
    "ConditionalSplineAutoregressive": _spline_autoregressive,
    "LeakyReLUTransform": lambda _l, _s: [LayerRecord("leaky_relu", {"slope": 0.01}, {})],
    "Permute": lambda layer, _state: [networks.permutation(layer["permutation"])],
    "SigmoidTransform": lambda _layer, _state: [LayerRecord("sigmoid", {}, {})],
    "Spline": _unconditional_spline,
    "SplineAutoregressive": _spline_autoregressive,
    "SplineCoupling": _spline_coupling,
}


# --- The original's own values ------------------------------------------------------------------


def _in_double(transform: Original) -> Original:
    """A torch.distributions.AffineTransform keeps its numbers, and their logarithm, as they are."""
    if type(transform).__name__ != "AffineTransform":
        return transform
    loc, scale = (torch.as_tensor(number).double() for number in (transform.loc, transform.scale))
    return type(transform)(loc, scale, event_dim=transform.event_dim)


def through(model: Original, z: Tensor, context: Any, backwards: bool) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) from noise to data, or backwards (z, log|det dz/dx|)."""
    log_det = z.new_zeros(len(z))
    for transform, inverse in reversed(model.leaves) if backwards else model.leaves:
        at = transform.condition(context) if hasattr(transform, "condition") else transform
        at = at.inv if inverse != backwards else at
        x = at(z)
        found = at.log_abs_det_jacobian(z, x)
        # Where a transform takes a coordinate at a time, it says the log slope of each.
        log_det = log_det + (found.expand_as(z).sum(dim=1) if at.domain.event_dim == 0 else found)
        z = x
    return z, log_det


def sampling_map(model: Original, z: Tensor, context: Any) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) by pyro itself; context [draw x context_dim] or None."""
    model.leaves = [leaf._replace(transform=_in_double(leaf.transform)) for leaf in model.leaves]
    return through(model, z, context, backwards=False)


def base_log_density(model: Original, z: Tensor, _context: Any) -> Tensor:
    base = _innermost(model.base)
    arrays = (getattr(base, name).double() for name in BASES[type(base).__name__][1])
    density: Tensor = type(base)(*arrays).log_prob(z)
    return density.sum(dim=1)
