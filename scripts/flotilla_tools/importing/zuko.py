# SPDX-License-Identifier: BSD-3-Clause
"""Flows of zuko (probabilists/zuko) as layers of a flow file.

zuko maps data to noise, so sampling goes the other way: the last transform comes first.

Versions differ in the names of entries and in one default, and are told apart by the entries:
before 1.0 the transforms are the flow's own; from 1.0 to 1.5 arguments are _0 and _1; from 1.6 on
they have names.
"""

import functools
import inspect
import math

from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks, zuko_curves
from flotilla_tools.importing.networks import (
    ConversionError,
    Converter,
    Described,
    Network,
    Original,
    Parts,
    State,
)

PREFIX = "transform.transforms."
PREFIX_BEFORE_1 = "transforms."


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a live zuko Flow: all that its state dict does not tell."""
    layers = []
    for k, (part, prefix, inverse) in enumerate(_parts(model)):
        kind = type(part).__name__
        try:
            options = _OPTIONS.get(kind, networks.no_options)(part)
        except ConversionError as problem:
            raise ConversionError(f"layer {k} (zuko.{kind}): {problem}") from None
        direction: dict[str, Any] = {"inverse": True} if inverse else {}
        layers.append({"class": kind, "prefix": prefix, **direction, **options})
    return {"library": "zuko", "base": {"class": _made_by(model.base)}, "layers": layers}


def _parts(model: Original) -> list[tuple[Original, str, bool]]:
    """The transforms of a flow, their names in its state dict, and whether each is inverted."""
    if not hasattr(model, "transform"):
        return [(part, f"{PREFIX_BEFORE_1}{k}", False) for k, part in enumerate(model.transforms)]
    return _within(model.transform, "transform")


def _within(transform: Original, prefix: str) -> list[tuple[Original, str, bool]]:
    kind = type(transform).__name__
    if kind == "LazyInverse":
        inside = _within(transform.transform, f"{prefix}.transform")
        return [(part, name, not inverse) for part, name, inverse in reversed(inside)]
    if kind != "LazyComposedTransform":
        return [(transform, prefix, False)]
    parts = enumerate(transform.transforms)
    return sum((_within(part, f"{prefix}.transforms.{k}") for k, part in parts), [])


def _made_by(part: Original) -> str:
    """The name of what an unconditional part calls with its arrays; else of its own class."""
    function = getattr(part, "f", getattr(part, "meta", type(part)))
    return str(getattr(function, "__name__", type(function).__name__))


def _describe_univariate(part: Original) -> dict[str, Any]:
    """The univariate map of a layer, and its arguments other than its parameters."""
    function, options = part.univariate, {}
    if isinstance(function, functools.partial):
        function, options = function.func, dict(function.keywords)
    name = getattr(function, "__name__", type(function).__name__)
    known = {"MonotonicAffineTransform", "MonotonicRQSTransform", "AdditiveTransform"}
    known |= set(zuko_curves.UNIVARIATES)
    if name not in known:
        raise ConversionError(f"its univariate map {name} is none of {', '.join(sorted(known))}")
    usual = {
        key: parameter.default
        for key, parameter in inspect.signature(function).parameters.items()
        if key in ("slope", "bound")
    }
    numbers = {key: float(value) for key, value in {**usual, **options}.items()}
    found = {"univariate": name, **numbers}
    if name == "MonotonicRQSTransform":
        found["bins"] = math.prod(part.shapes[0])
    if name in zuko_curves.UNIVARIATES:
        found.update(zuko_curves.UNIVARIATES[name].describe(part))
    return found


def _describe_hyper(hyper: Original) -> list[Any]:
    """The words of a conditioner, read from its modules."""
    words: list[Any] = []
    for module in hyper:
        name = type(module).__name__
        if name in ("Linear", "MaskedLinear"):
            words.append("linear")
        elif name == "Residual":
            words.append({"residual": _describe_hyper(module)})
        elif name == "LayerNorm":
            words.append({"layer_norm": float(module.eps)})
        else:
            words.append(networks.describe_activation(module))
    return words


def _describe_conditioned(part: Original) -> dict[str, Any]:
    if not hasattr(part, "hyper"):
        return _describe_univariate(part)
    features = len(part.mask) if hasattr(part, "mask") else part.hyper.out_features // part.total
    inputs = int(part.mask.sum()) if hasattr(part, "mask") else features
    if type(part).__name__ == "ElementWiseTransform":
        inputs = 0
    context = part.hyper.in_features - inputs
    return {**_describe_univariate(part), "hyper": _describe_hyper(part.hyper), "context": context}


def _describe_unconditional(part: Original) -> dict[str, Any]:
    numbers = {
        key: float(value)
        for key, value in getattr(part, "kwargs", {}).items()
        if isinstance(value, (int, float))
    }
    return {"transform": _made_by(part), **numbers}


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {
    "MaskedAutoregressiveTransform": _describe_conditioned,
    "GeneralCouplingTransform": _describe_conditioned,
    "ElementWiseTransform": _describe_conditioned,
    "Unconditional": _describe_unconditional,
    "UnconditionalTransform": _describe_unconditional,
}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    base = _base(description["base"], state)
    dim = len(next(iter(base.arrays.values())))
    layers = description["layers"]
    prefix = PREFIX if state.has_below("transform") else PREFIX_BEFORE_1
    unsure = prefix == PREFIX and state.has("base._0")
    found = networks.convert_layers(
        "zuko", prefix, CONVERTERS, layers, state, dim=dim, slope_unsure=unsure
    )
    records: list[LayerRecord] = []
    for layer, converted in zip(layers, found):
        records += networks.inverted(converted) if layer.get("inverse") else converted
    return dim, networks.context_dim(layers), base, networks.inverted(records)


def _base(base: Described, state: State) -> LayerRecord:
    kind, below = base["class"], state.below("base")
    if kind == "DiagNormal":
        return LayerRecord(
            "diagonal_normal",
            {},
            {"loc": _argument(below, "loc", 0), "scale": _argument(below, "scale", 1)},
        )
    if kind == "BoxUniform":
        return LayerRecord(
            "uniform_box",
            {},
            {"low": _argument(below, "lower", 0), "high": _argument(below, "upper", 1)},
        )
    raise ConversionError(
        f"base (zuko.{kind}): flow files have no such base density (converted are: DiagNormal, "
        "BoxUniform)"
    )


def _argument(state: State, name: str, place: int) -> Array:
    """An array that a part was made with: by its name from zuko 1.6 on, by its place before."""
    return state.take(f"_{place}" if state.has(f"_{place}") else name)


def _slope(layer: Described) -> float:
    """The smallest slope of a layer's univariate map."""
    if "slope" not in layer and layer.get("slope_unsure"):
        raise ConversionError(
            "expected a 'slope' in its description: zuko 1.0 to 1.4 has 1e-4, zuko 1.5 has 1e-3, "
            "and their entries are the same"
        )
    return float(layer.get("slope", 1e-3))


def _univariate(layer: Described) -> tuple[str, dict[str, Any], int, Sequence[int]]:
    """(kind of map, attributes, parameters per coordinate, their order in a flow file)."""
    name = layer.get("univariate", "MonotonicAffineTransform")
    if name == "AdditiveTransform":
        return "additive", {}, 1, (0,)
    if name == "MonotonicAffineTransform":
        return "affine", {"scale": "softclip", "bound": -math.log(_slope(layer))}, 2, (1, 0)
    if name == "MonotonicRQSTransform":
        attributes = networks.spline(
            layer["bins"], layer.get("bound", 5.0), "linear", slope=_slope(layer)
        )
        count = 3 * int(layer["bins"]) - 1
        return "spline", attributes, count, range(count)
    if name in zuko_curves.UNIVARIATES:
        if name in zuko_curves.SLOPED:
            layer = {**layer, "slope": _slope(layer)}
        kind, attributes, count = zuko_curves.UNIVARIATES[name].layout(layer)
        return kind, attributes, count, range(count)
    raise ConversionError(f"its univariate map {name} has no counterpart in flow files")


def _hyper(words: Sequence[Any], state: State, context_dim: int) -> Network:
    net = Network()
    _write(net, words, state, context_dim)
    return net


def _write(net: Network, words: Sequence[Any], state: State, context_dim: int) -> None:
    for k, word in enumerate(words):
        below = state.below(f"{k}")
        if word == "linear":
            weight, mask = below.take("weight"), below.take_if("mask")
            first = not net.linears
            net.linear(
                weight if mask is None else weight * mask,
                below.take_if("bias"),
                context_dim if first else 0,
            )
        elif isinstance(word, dict) and "residual" in word:
            net.open()
            _write(net, word["residual"], below, 0)
            net.close()
        elif isinstance(word, dict):
            net.layer_norm(len(net.linears[-1][1]), word["layer_norm"])
        else:
            net.activation(word)


def _words(layer: Described, state: State) -> Sequence[Any]:
    """The conditioner's words; if there are none, those of zuko's MLP with one activation."""
    if isinstance(layer.get("hyper"), list):
        return layer["hyper"]
    words, count = [], 0
    while state.has_below(f"hyper.{count}"):
        words += [layer.get("activation", "relu"), "linear"]
        count += 2
    return words[1:]


def _masked(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("order")
    if not state.has_below("hyper"):
        return _elementwise(layer, state)
    kind, attributes, count, order = _univariate(layer)
    net = _hyper(_words(layer, state), state.below("hyper"), layer.get("context", 0))
    net.keep_outputs(networks.by_parameter(layer["dim"], count, order))
    record = networks.autoregressive(kind, attributes, layer["dim"], net)
    return [record.with_arrays(zuko_curves.network_arrays(layer, state))]


def _coupling(layer: Described, state: State) -> list[LayerRecord]:
    kind, attributes, count, order = _univariate(layer)
    kept = state.take("mask") == 1.0
    net = _hyper(_words(layer, state), state.below("hyper"), layer.get("context", 0))
    net.keep_outputs(networks.by_parameter(int((~kept).sum()), count, order))
    record = networks.coupling(kind, attributes, kept, net)
    return [record.with_arrays(zuko_curves.network_arrays(layer, state))]


def _of_context(layer: Described, state: State) -> list[LayerRecord]:
    """A map of each coordinate whose parameters depend on the context alone: a coupling in which
    no coordinate is kept."""
    kind, attributes, count, order = _univariate(layer)
    net = _hyper(_words(layer, state), state.below("hyper"), layer["context"])
    net.keep_outputs(networks.by_parameter(layer["dim"], count, order))
    return [networks.coupling(kind, attributes, np.zeros(layer["dim"]), net)]


def _elementwise(layer: Described, state: State) -> list[LayerRecord]:
    if state.has_below("hyper"):
        return _of_context(layer, state)
    kind, attributes, _, order = _univariate(layer)
    shapes, k = [], 0
    while state.has(f"phi.{k}"):
        shapes.append(state.take(f"phi.{k}").reshape(layer["dim"], -1))
        k += 1
    parameters = np.concatenate(shapes, axis=1)[:, list(order)]
    record = networks.elementwise(kind, attributes, np.ones(layer["dim"]), parameters)
    return [record.with_arrays(zuko_curves.network_arrays(layer, state))]


def _unconditional(layer: Described, state: State) -> list[LayerRecord]:
    kind = layer["transform"]
    if kind == "PermutationTransform":
        return [networks.permutation(_argument(state, "order", 0))]
    if kind == "LULinearTransform":
        both = _argument(state, "LU", 0)
        diagonal = np.diag(both)
        upper = diagonal[:, None] * (np.triu(both, 1) + np.eye(len(both)))
        return [networks.lu_linear(np.tril(both) / diagonal, upper, np.zeros(len(both)))]
    if kind == "RotationTransform":
        skew = torch.from_numpy(_argument(state, "A", 0))
        rotation = torch.linalg.matrix_exp(skew - skew.T).numpy()
        return networks.dense_linear(rotation, np.zeros(len(rotation)))
    if kind == "SoftclipTransform":
        return [LayerRecord("softclip", {"bound": layer.get("bound", 1.0)}, {})]
    if kind == "AffineTransform":
        shift, scale = _argument(state, "loc", 0), _argument(state, "scale", 1)
        every = [np.broadcast_to(array.reshape(-1), layer["dim"]) for array in (scale, shift)]
        return [networks.diagonal_affine(*(array.copy() for array in every))]
    raise ConversionError(
        f"the transform {kind} has no counterpart in flow files (converted are: "
        "AffineTransform, PermutationTransform, LULinearTransform, RotationTransform, "
        "SoftclipTransform)"
    )


CONVERTERS: Mapping[str, Converter] = {
    "ElementWiseTransform": _elementwise,
    "GeneralCouplingTransform": _coupling,
    "MaskedAutoregressiveTransform": _masked,
    "Unconditional": _unconditional,
    "UnconditionalTransform": _unconditional,
}


# --- The original's own values ------------------------------------------------------------------


def sampling_map(
    model: Original, z: torch.Tensor, context: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(x, log|det dx/dz|) by zuko itself; context [draw x context_dim] or None."""
    transform = model(context).transform
    parts = (layer.get("univariate") for layer in describe(model)["layers"])
    if any(part in zuko_curves.UNIVARIATES for part in parts):
        return zuko_curves.refined(transform, z)
    x = transform.inv(z)
    return x, -transform.log_abs_det_jacobian(x, z)


def base_log_density(model: Original, z: torch.Tensor, _context: Any) -> torch.Tensor:
    return model.base(None).log_prob(z)
