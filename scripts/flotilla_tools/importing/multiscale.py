# SPDX-License-Identifier: BSD-3-Clause
"""Multi-scale flows of normflows on images, its Glow above all, as layers of a flow file.

z is normflows' list of latent images one after another, the deepest first.  So a merge moves
nothing, and the layers of a level act on the first coordinates.  A class becomes a context with one
number for each class: 1 for the class itself, 0 for the others.
"""

import math

from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import (
    ConversionError,
    Described,
    Network,
    Original,
    Parts,
    State,
)

SCALES: Mapping[str, Mapping[str, Any]] = {
    "exp": {},
    "sigmoid": {"scale": "reciprocal_sigmoid", "offset": 2.0},
    "sigmoid_inv": {"scale": "sigmoid", "offset": 2.0, "floor": 0.0},
}


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a live MultiscaleFlow: all that its state dict does not tell."""
    for merge in model.merges:
        if type(merge).__name__ != "Merge" or merge.mode != "channel":
            raise ConversionError("its levels are merged otherwise than by channel")
    levels = []
    for i, flows in enumerate(model.flows):
        layers = []
        for k, flow in enumerate(flows):
            kind = type(flow).__name__
            if kind not in CONVERTERS:
                raise ConversionError(f"layer {k} of level {i} (normflows.{kind}): {_known()}")
            layers.append({"class": kind, **_OPTIONS.get(kind, networks.no_options)(flow)})
        levels.append({"base": _describe_base(model.q0[i]), "layers": layers})
    return {
        "library": "normflows",
        "base": {"class": "MultiscaleFlow"},
        "levels": levels,
        "layers": [],
        "transform": _describe_transform(model.transform),
    }


def _known() -> str:
    return (
        f"flow files have no such layer on images (converted are: {', '.join(sorted(CONVERTERS))})"
    )


def _describe_base(base: Original) -> dict[str, Any]:
    described: dict[str, Any] = {
        "class": type(base).__name__,
        "shape": [int(size) for size in base.shape],
    }
    if described["class"] == "GlowBase":
        described["logscale_factor"] = float(base.logscale_factor)
    return described


def _describe_transform(transform: Original) -> Any:
    if transform is None:
        return None
    kind = type(transform).__name__
    numbers = {"Logit": ("alpha",), "Shift": ("shift",)}
    if kind not in numbers:
        raise ConversionError(f"its transform {kind} is none of Logit, Shift")
    return {"class": kind, **{name: float(getattr(transform, name)) for name in numbers[kind]}}


def _describe_glow_block(block: Original) -> dict[str, Any]:
    split, affine, _ = block.flows[0].flows
    words: list[Any] = []
    for module in affine.param_map.net:
        kind = type(module).__name__
        if kind in ("Conv2d", "ActNorm"):
            words.append(kind)
        else:
            words.append(networks.describe_activation(module))
    return {
        "split_mode": split.mode,
        "scale_map": affine.scale_map if affine.scale else None,
        "network": words,
    }


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {"GlowBlock": _describe_glow_block}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    levels = description["levels"]
    records: list[LayerRecord] = []
    image: tuple[int, ...] = ()
    dim = sum(math.prod(level["base"]["shape"]) for level in levels)
    for i, level in enumerate(levels):
        shape = level["base"]["shape"]
        image = (image[0] + shape[0], *image[1:]) if image else tuple(shape)
        for k, layer in enumerate(level["layers"]):
            if layer["class"] not in CONVERTERS:
                raise ConversionError(
                    f"layer {k} of level {i} (normflows.{layer['class']}): {_known()}"
                )
            converter = CONVERTERS[layer["class"]]
            try:
                found, next_image = converter(layer, image, state.below(f"flows.{i}.{k}"))
            except ConversionError as problem:
                where = f"layer {k} of level {i} (normflows.{layer['class']})"
                raise ConversionError(f"{where}: {problem}") from None
            records += [_on_first(record, math.prod(image), dim) for record in found]
            image = next_image
    base, context_dim = _base(levels, state)
    return dim, context_dim, base, records + transform(description.get("transform"), dim)


def _on_first(record: LayerRecord, coordinates: int, dim: int) -> LayerRecord:
    if coordinates == dim:
        return record
    return record.with_attributes(coordinates=float(coordinates))


def _per_pixel(record: LayerRecord, image: tuple[int, ...]) -> LayerRecord:
    return record.with_attributes(pixels=float(image[1] * image[2]))


def _squeeze(
    _layer: Described, image: tuple[int, ...], _state: State
) -> tuple[list[LayerRecord], tuple[int, ...]]:
    """In the sampling direction normflows' Squeeze turns channels into blocks of pixels."""
    channels, rows, columns = image
    if channels % 4:
        raise ConversionError(f"expected channels that make blocks of four, found {channels}")
    after = (channels // 4, 2 * rows, 2 * columns)
    record = LayerRecord("squeeze", {"direction": "inverse"}, {"image": np.array(after)})
    return [record], after


def _glow_block(
    layer: Described, image: tuple[int, ...], state: State
) -> tuple[list[LayerRecord], tuple[int, ...]]:
    records = _coupling(layer, image, state.below("flows.0.flows.1.param_map"))
    if image[0] > 1:
        records += _convolution(image, state.below("flows.1"))
    norm = state.below(f"flows.{2 if image[0] > 1 else 1}")
    return records + _act_norm(layer, image, norm)[0], image


def _coupling(layer: Described, image: tuple[int, ...], state: State) -> list[LayerRecord]:
    """A coupling of channels. The halves of a checkerboard are images of half the columns; the
    coupling sees them one after the other."""
    mode = layer.get("split_mode", "channel")
    channels, rows, columns = image
    if mode in ("channel", "channel_inv"):
        first = np.arange(math.prod(image)) < (channels + 1) // 2 * rows * columns
        return [_conditioned(layer, first if mode == "channel" else ~first, image, state)]
    if mode not in ("checkerboard", "checkerboard_inv"):
        raise ConversionError(f"its split_mode '{mode}' is none of channel, checkerboard")
    if columns % 2:
        raise ConversionError("its checkerboard has an odd number of columns")
    at = np.indices(image)
    odd = at.sum(axis=0) % 2 == 1  # normflows' checkerboard: by channel, row and column
    kept = (odd if mode == "checkerboard" else ~odd).reshape(-1)
    order = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])
    halves = (2 * channels, rows, columns // 2)
    coupling = _conditioned(layer, np.arange(len(kept)) < len(kept) // 2, halves, state)
    return [networks.permutation(order), coupling, networks.permutation(np.argsort(order))]


def _conditioned(
    layer: Described, kept: Array, image: tuple[int, ...], state: State
) -> LayerRecord:
    net = _network(layer["network"], state)
    scale = layer.get("scale_map", "sigmoid")
    if scale is None:
        record = networks.coupling("additive", {}, kept, net)
    else:
        record = affine_coupling(scale, kept, net)
    return record._replace(arrays={**record.arrays, "image": np.array(image)})


def affine_coupling(scale: str, kept: Array, net: Network) -> LayerRecord:
    """An affine coupling with this scale_map of normflows. Its shifts come before its scales."""
    if scale not in SCALES:
        raise ConversionError(f"expected a scale_map among {', '.join(SCALES)}, found '{scale}'")
    moved = len(net.linears[-1][1]) // 2
    net.keep_outputs(networks.by_parameter(moved, 2, (1, 0)))
    return networks.coupling("affine", SCALES[scale], kept, net)


def _network(words: Sequence[Any], state: State) -> Network:
    """A nets.ConvNet2d; `words` name its modules in turn."""
    net = Network()
    for k, word in enumerate(words):
        below = state.below(f"net.{k}")
        if word == "Conv2d":
            net.linear(below.take("weight"), below.take_if("bias"))
        elif word == "ActNorm":
            scale, shift = _scale_and_shift(below.below("actNorm"))
            net.affine(scale, shift)
        else:
            net.activation(word)
    return net


def _scale_and_shift(state: State) -> tuple[Array, Array]:
    state.drop("data_dep_init_done")
    return np.exp(state.take("s").reshape(-1)), state.take("t").reshape(-1)


def _act_norm(
    _layer: Described, image: tuple[int, ...], state: State
) -> tuple[list[LayerRecord], tuple[int, ...]]:
    record = networks.diagonal_affine(*_scale_and_shift(state))
    size = len(record.arrays["scale"])
    if size == math.prod(image):
        return [record], image
    if size != image[0]:
        raise ConversionError(f"expected a scale for each of {image[0]} channels, found {size}")
    return [_per_pixel(record, image)], image


def _convolution(image: tuple[int, ...], state: State) -> list[LayerRecord]:
    """In the sampling direction normflows multiplies by the inverse of W."""
    if state.has("W"):
        matrix = state.take("W")
    else:
        eye = state.take("eye")
        lower = np.tril(state.take("L"), -1) + eye
        diagonal = state.take("sign_S") * np.exp(state.take("log_S"))
        matrix = state.take("P") @ lower @ (np.triu(state.take("U"), 1) + np.diag(diagonal))
    arrays = {"weight": matrix, "bias": np.zeros(len(matrix))}
    return [_per_pixel(LayerRecord("linear", {"direction": "inverse"}, arrays), image)]


ImageConverter = Callable[
    [Described, tuple[int, ...], State], tuple[list[LayerRecord], tuple[int, ...]]
]
"""Of a layer on an image (channels, rows, columns): records, and the image that they make of it."""

CONVERTERS: Mapping[str, ImageConverter] = {
    "ActNorm": _act_norm,
    "AffineConstFlow": _act_norm,
    "GlowBlock": _glow_block,
    "Invertible1x1Conv": lambda layer, image, state: (_convolution(image, state), image),
    "Squeeze": _squeeze,
}


def transform(described: Described | None, dim: int) -> list[LayerRecord]:
    """A Logit or a Shift: the layers between the last level and the data."""
    if described is None:
        return []
    if described["class"] == "Logit":
        alpha = described["alpha"]
        stretch = 1.0 / (1.0 - 2.0 * alpha)
        scale, shift = np.array([stretch]), np.array([-alpha * stretch])
        return [LayerRecord("sigmoid", {}, {}), _everywhere(scale, shift, dim)]
    return [_everywhere(np.ones(1), np.array([-described["shift"]]), dim)]


def _everywhere(scale: Array, shift: Array, dim: int) -> LayerRecord:
    record = networks.diagonal_affine(scale, shift)
    return record._replace(attributes={"pixels": float(dim)})


# --- Base densities -----------------------------------------------------------------------------


def _base(levels: Sequence[Described], state: State) -> tuple[LayerRecord, int]:
    """(record, context_dim): the levels' densities one after another."""
    parts = []
    for i, level in enumerate(levels):
        described, below = level["base"], state.below(f"q0.{i}")
        kind = described["class"]
        if kind not in BASES:
            raise ConversionError(
                f"base of level {i} (normflows.{kind}): flow files have no such base density "
                f"(converted are: {', '.join(sorted(BASES))})"
            )
        parts.append(BASES[kind](described, below))
    classes = {part["context_loc"].shape[1] for part in parts if "context_loc" in part}
    if len(classes) > 1 or (classes and any("context_loc" not in part for part in parts)):
        raise ConversionError("some of its levels are conditional, or on other numbers of classes")
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return LayerRecord("diagonal_normal", {}, arrays), max(classes, default=0)


def _diagonal(_described: Described, state: State) -> dict[str, Array]:
    loc, log_scale = (state.take(name)[0].reshape(-1) for name in ("loc", "log_scale"))
    return {"loc": loc, "scale": np.exp(log_scale)}


def _class_conditional(_described: Described, state: State) -> dict[str, Array]:
    loc, log_scale = (
        array.reshape(-1, array.shape[-1]) for array in map(state.take, ("loc", "log_scale"))
    )
    zeros = np.zeros(len(loc))
    return {"loc": zeros, "scale": zeros + 1.0, "context_loc": loc, "context_log_scale": log_scale}


def _affine_gaussian(described: Described, state: State) -> dict[str, Array]:
    """N(0, I), scaled and shifted for each coordinate, channel or class."""
    shape, below, found = described["shape"], state.below("transform"), {}
    below.drop("data_dep_init_done")
    for name, own in (("loc", "t"), ("log_scale", "s")):
        one = below.take(own)[0]
        found[name] = np.broadcast_to(one, shape).reshape(-1).copy()
        if below.has(f"{own}_cc"):
            classes = below.take(f"{own}_cc").reshape(-1, *one.shape)
            whole = np.broadcast_to(classes, (len(classes), *shape)).reshape(len(classes), -1)
            found[f"context_{name}"] = whole.T.copy()
    found["scale"] = np.exp(found.pop("log_scale"))
    return found


def _glow_base(described: Described, state: State) -> dict[str, Array]:
    shape, factor = described["shape"], described["logscale_factor"]
    pixels = math.prod(shape[1:])

    def each_pixel(values: Array) -> Array:
        return np.repeat(values, pixels, axis=0)

    found = {}
    for name in ("loc", "log_scale"):
        logs = state.take("loc_logs" if name == "loc" else "log_scale_logs")
        found[name] = each_pixel((state.take(name) * np.exp(factor * logs)).reshape(-1))
        if state.has(f"{name}_cc"):
            found[f"context_{name}"] = each_pixel(state.take(f"{name}_cc").T)
    found["scale"] = np.exp(found.pop("log_scale"))
    return found


BASES = {
    "AffineGaussian": _affine_gaussian,
    "ClassCondDiagGaussian": _class_conditional,
    "DiagGaussian": _diagonal,
    "GlowBase": _glow_base,
}


# --- The original's own values ------------------------------------------------------------------


def _parts(model: Original, z: torch.Tensor) -> list[torch.Tensor]:
    """normflows' list of latent images."""
    shapes = [tuple(base.shape) for base in model.q0]
    parts = torch.split(z, [math.prod(shape) for shape in shapes], dim=1)
    return [part.reshape(len(z), *shape) for part, shape in zip(parts, shapes)]


def sampling_map(
    model: Original, z: torch.Tensor, _context: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(x, log|det dx/dz|) by the layers of normflows; before 1.7 it has no such function."""
    parts = [part.clone() for part in _parts(model, z)]  # which versions change in place
    x, log_det = parts[0], z.new_zeros(len(z))
    for level, flows in enumerate(model.flows):
        if level > 0:
            x, change = model.merges[level - 1]([x, parts[level]])
            log_det = log_det + change
        for flow in flows:
            x, change = flow(x)
            log_det = log_det + change
    if model.transform is not None:
        x, change = model.transform(x)
        log_det = log_det + change
    return x.flatten(1), log_det


def base_log_density(model: Original, z: torch.Tensor, context: Any) -> torch.Tensor:
    parts = zip(model.q0, _parts(model, z))
    if context is None:
        return sum(base.log_prob(part) for base, part in parts)
    return sum(base.log_prob(part, context.to(part)) for base, part in parts)
