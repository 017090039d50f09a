# SPDX-License-Identifier: BSD-3-Clause
"""Flows of FrEIA (vislearn/FrEIA) as layers of a flow file: SequenceINN, and GraphINN without
branches.

FrEIA has no base density: the latent side is N(0, I).  As in its tutorials the network maps data
to noise, and `rev=True` samples.  A model trained the other way round says so by an attribute,
`model.sampling_direction = "forward"`.
"""

import math
from typing import Any, Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

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

PREFIX = "module_list."
DIRECTIONS = ("reverse", "forward")
ALL_IN_ONE_RATE = 0.1
"""AllInOneBlock multiplies what its subnet says by this."""

CLAMPS: dict[str, Callable[[Tensor], Tensor]] = {
    "arctan": lambda s: 0.636 * torch.atan(s),
    "wide_arctan": lambda s: 2.0 / math.pi * torch.atan(s),
    "tanh": torch.tanh,
    "sigmoid": lambda s: 2.0 * (torch.sigmoid(s) - 0.5),
}
"""Functions that clamp a log scale to [-1, 1]."""

GLOBAL_SCALES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda s: 10.0 / (1.0 + np.exp(2.0 - s)),
    "softplus": lambda s: 0.2 * np.logaddexp(0.0, 0.5 * s),
    "exp": np.exp,
}
"""Scales of AllInOneBlock's affine part."""

GLOBAL_SCALE_NAMES = {
    "_sigmoid_global_scale_activation": "sigmoid",
    "_softplus_global_scale_activation": "softplus",
    "_exp_global_scale_activation": "exp",
}


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a live SequenceINN or GraphINN: all that its state dict does not tell."""
    direction = getattr(model, "sampling_direction", "reverse")
    if direction not in DIRECTIONS:
        raise ConversionError(
            f"expected model.sampling_direction among {', '.join(DIRECTIONS)}, found '{direction}'"
        )
    shape, sizes, chain = _chain(model)
    if len(shape) != 1 or any(len(size) != 1 for size in sizes):
        raise ConversionError(
            f"its data have the shape {tuple(shape)} and its conditions {sizes}: converted are "
            "networks on vectors; export it as TorchScript (scripts/export_torchscript.py)"
        )
    layers = []
    for k, (part, conditions) in enumerate(chain):
        layers += _describe_part(part, f"{PREFIX}{k}", conditions)
    return {
        "library": "freia",
        "dim": int(shape[0]),
        "conditions": [int(size[0]) for size in sizes],
        "sampling": direction,
        "base": {"class": "StandardNormal"},
        "layers": layers,
    }


def _chain(model: Original) -> tuple[Any, list[Any], list[tuple[Original, list[int]]]]:
    """(shape of the data, shapes of the conditions, modules with the conditions of each)."""
    if hasattr(model, "shapes"):
        places = [[] if c is None else [int(c)] for c in model.conditions]
        shapes: dict[int, Any] = {}
        for part, place in zip(model.module_list, places):
            for index, size in zip(place, part.dims_c or ()):
                shapes[index] = tuple(size)
        sizes = [shapes.get(index, (0,)) for index in range(max(shapes, default=-1) + 1)]
        return model.shapes[0], sizes, list(zip(model.module_list, places))
    if not hasattr(model, "node_list_fwd"):
        raise ConversionError(f"expected a SequenceINN or a GraphINN, found {type(model).__name__}")
    return _graph_chain(model)


def _graph_chain(model: Original) -> tuple[Any, list[Any], list[tuple[Original, list[int]]]]:
    if len(model.in_nodes) != 1 or len(model.out_nodes) != 1:
        raise ConversionError(
            f"expected a GraphINN with one input and one output, found {len(model.in_nodes)} and "
            f"{len(model.out_nodes)}"
        )
    before, chain = model.in_nodes[0], []
    for node in model.node_list_fwd:
        if node.module is None:
            continue
        if [source for source, _ in node.inputs] != [before] or len(node.outputs) != 1:
            raise ConversionError(f"expected a GraphINN without branches, found one at {node}")
        places = [model.condition_nodes.index(source) for source, _ in node.conditions]
        chain.append((node.module, places))
        before = node
    sizes = [tuple(node.output_dims[0]) for node in model.condition_nodes]
    return model.in_nodes[0].output_dims[0], sizes, chain


def _describe_part(part: Original, prefix: str, conditions: list[int]) -> list[dict[str, Any]]:
    kind = type(part).__name__
    try:
        if kind == "Inverse":
            found = _describe_part(part.module, f"{prefix}.module", conditions)
            return [{**layer, "inverse": not layer.get("inverse", False)} for layer in found[::-1]]
        if kind in ("SequenceINN", "GraphINN"):
            raise ConversionError("a network within a network: append its blocks one by one")
        options = _OPTIONS.get(kind, networks.no_options)(part)
    except ConversionError as problem:
        raise ConversionError(f"layer {prefix} (freia.{kind}): {problem}") from None
    return [{"class": kind, "prefix": prefix, "conditions": conditions, **options}]


def _describe_clamp(part: Original) -> dict[str, Any]:
    """The function that clamps the log scale, recognised by its values."""
    points = torch.linspace(-8.0, 8.0, 65, dtype=torch.float64)
    values = part.f_clamp(points)
    for name, function in CLAMPS.items():
        if torch.allclose(values, function(points), rtol=1e-12, atol=1e-14):
            return {"clamp": float(part.clamp), "clamp_activation": name}
    raise ConversionError(f"its clamp_activation is none of {', '.join(CLAMPS)}")


def _describe_coupling(part: Original, *subnets: str) -> dict[str, Any]:
    nets = {name: networks.describe_chain(getattr(part, name)) for name in subnets}
    return {"split": int(part.split_len1), **nets}


def _describe_all_in_one(part: Original) -> dict[str, Any]:
    if part.GIN:
        raise ConversionError(
            "gin_block makes the scales of all coordinates depend on each other, which flow files "
            "do not have; export it as TorchScript (scripts/export_torchscript.py)"
        )
    ones = torch.full((1, 2 * part.splits[1]), 5.0, dtype=torch.float64)
    log_scale = float(part._affine(ones[:, : part.splits[1]], ones.clone())[1]) / part.splits[1]
    within = abs(log_scale - part.clamp * math.tanh(0.5 / part.clamp)) < 1e-9
    if not within and abs(log_scale - part.clamp * math.tanh(0.5)) > 1e-9:
        raise ConversionError("its affine part computes something else than in FrEIA 0.2 or later")
    return {
        "split": int(part.splits[0]),
        "clamp": float(part.clamp),
        "clamp_divides": within,
        "global_scale": GLOBAL_SCALE_NAMES[part.global_scale_activation.__name__],
        "soft": part.permute_function is torch.nn.functional.linear,
        "householder": int(part.householder),
        "reverse_permutation": bool(part.reverse_pre_permute),
        "subnet": networks.describe_chain(part.subnet),
    }


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {
    "AffineCouplingOneSided": lambda p: {**_describe_coupling(p, "subnet"), **_describe_clamp(p)},
    "AllInOneBlock": _describe_all_in_one,
    "ConditionalAffineTransform": lambda p: {
        **_describe_coupling(p, "subnet"),
        **_describe_clamp(p),
    },
    "GLOWCouplingBlock": lambda p: {
        **_describe_coupling(p, "subnet1", "subnet2"),
        **_describe_clamp(p),
    },
    "NICECouplingBlock": lambda p: _describe_coupling(p, "F", "G"),
    "RNVPCouplingBlock": lambda p: {
        **_describe_coupling(p, "subnet_s1", "subnet_t1", "subnet_s2", "subnet_t2"),
        **_describe_clamp(p),
    },
}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    base, sizes = description["base"]["class"], description["conditions"]
    if base != "StandardNormal":
        raise ConversionError(
            f"base (freia.{base}): flow files have no such base density here (converted is: "
            "StandardNormal)"
        )
    starts = np.cumsum([0, *sizes])
    layers = []
    for layer in description["layers"]:
        parts = [np.arange(starts[i], starts[i + 1]) for i in layer.get("conditions", ())]
        columns = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        layers.append({**layer, "columns": columns, "dim": description["dim"]})
    total = int(starts[-1])
    found = networks.convert_layers("freia", PREFIX, CONVERTERS, layers, state, context=total)
    records: list[LayerRecord] = []
    for layer, own in zip(layers, found):
        records += networks.inverted(own) if layer.get("inverse") else own
    if description["sampling"] == "reverse":
        records = networks.inverted(records)
    return description["dim"], total, LayerRecord("standard_normal", {}, {}), records


def _net(layer: Described, state: State, name: str) -> Network:
    columns = networks.ContextColumns(layer["columns"], layer["context"])
    return networks.chain(layer[name], state.below(name), columns)


def _affine(layer: Described, kept: Array, net: Network) -> LayerRecord:
    """A coupling whose net has log scales, to be clamped, and then shifts."""
    kind, clamp = layer["clamp_activation"], layer["clamp"]
    if kind == "sigmoid":  # 2 sigmoid(s) - 1 = tanh(s / 2)
        moved = int((~kept).sum())
        net.scale_outputs(np.repeat([0.5, 1.0], moved))
    rate = {"arctan": 0.636, "wide_arctan": 2.0 / math.pi}.get(kind, 1.0)
    scale = "arctan" if "arctan" in kind else "tanh"
    return networks.coupling("affine", {"scale": scale, "bound": rate * clamp}, kept, net)


def _halves(layer: Described) -> tuple[Array, Array]:
    """Masks of the first and of the second part of a split."""
    first = np.arange(layer["dim"]) < layer["split"]
    return first, ~first


def _one_sided(layer: Described, state: State) -> list[LayerRecord]:
    first, _ = _halves(layer)
    return [_affine(layer, first, _net(layer, state, "subnet"))]


def _conditional_affine(layer: Described, state: State) -> list[LayerRecord]:
    none = np.zeros(layer["dim"], dtype=bool)
    return [_affine(layer, none, _net(layer, state, "subnet"))]


def _glow(layer: Described, state: State) -> list[LayerRecord]:
    first, second = _halves(layer)
    return [
        _affine(layer, second, _net(layer, state, "subnet2")),
        _affine(layer, first, _net(layer, state, "subnet1")),
    ]


def _real_nvp(layer: Described, state: State) -> list[LayerRecord]:
    def both(number: int) -> Network:
        scales, shifts = (_net(layer, state, f"subnet_{kind}{number}") for kind in "st")
        return networks.side_by_side(scales, shifts)

    first, second = _halves(layer)
    return [_affine(layer, second, both(2)), _affine(layer, first, both(1))]


def _nice(layer: Described, state: State) -> list[LayerRecord]:
    first, second = _halves(layer)
    return [
        networks.coupling("additive", {}, second, _net(layer, state, "F")),
        networks.coupling("additive", {}, first, _net(layer, state, "G")),
    ]


def nearest_rotation(matrix: Array) -> Array:
    """The orthogonal matrix that a matrix is, but for its rounding to single precision."""
    left, _, right = np.linalg.svd(matrix)
    rotation: Array = left @ right
    if not np.allclose(rotation, matrix, rtol=0.0, atol=1e-5):
        raise ConversionError("its permutation matrix is not orthogonal")
    return rotation


def linear(matrix: Array, bias: Array) -> LayerRecord:
    return LayerRecord("linear", {}, {"weight": matrix, "bias": bias})


def _mixing(layer: Described, state: State) -> tuple[list[LayerRecord], list[LayerRecord]]:
    """The permutation after an AllInOneBlock, and its inverse."""
    dim = layer["dim"]
    if not layer["soft"]:
        order = state.take("w_perm").astype(np.int64)
        state.drop("w_perm_inv")
        return [networks.permutation(order)], [networks.permutation(np.argsort(order))]
    if layer["householder"] > 0:
        rotation = nearest_rotation(state.take("w_0"))
        for v in state.take("vk_householder"):
            rotation = rotation @ (np.eye(dim) - 2.0 * np.outer(v, v) / (v @ v))
    else:
        rotation = nearest_rotation(state.take("w_perm"))
        state.drop("w_perm_inv")
    return [linear(rotation, np.zeros(dim))], [linear(rotation.T.copy(), np.zeros(dim))]


def _all_in_one(layer: Described, state: State) -> list[LayerRecord]:
    first, second = _halves(layer)
    net, moved, clamp = _net(layer, state, "subnet"), int(second.sum()), layer["clamp"]
    within = ALL_IN_ONE_RATE / (clamp if layer["clamp_divides"] else 1.0)
    net.scale_outputs(np.repeat([within, ALL_IN_ONE_RATE], moved))
    coupling = networks.coupling("affine", {"scale": "tanh", "bound": clamp}, first, net)
    scale = GLOBAL_SCALES[layer["global_scale"]](state.take("global_scale").reshape(-1))
    shift = state.take("global_offset").reshape(-1)
    after, before = _mixing(layer, state)
    return [
        *(before if layer["reverse_permutation"] else []),
        coupling,
        networks.diagonal_affine(scale, shift),
        *after,
    ]


def _act_norm(_layer: Described, state: State) -> list[LayerRecord]:
    state.drop("is_initialized")
    scale = np.exp(-state.take("log_scale").reshape(-1))
    return [networks.diagonal_affine(scale, -state.take("loc").reshape(-1) * scale)]


def _permute(_layer: Described, state: State) -> list[LayerRecord]:
    state.drop("perm_inv")
    return [networks.permutation(state.take("perm"))]


def _fixed_linear(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("M_inv", "logDetM")
    bias = np.broadcast_to(state.take("b").reshape(-1), layer["dim"])
    return [linear(state.take("M").T.copy(), bias.copy())]


CONVERTERS: Mapping[str, Converter] = {
    "ActNorm": _act_norm,
    "AffineCouplingOneSided": _one_sided,
    "AllInOneBlock": _all_in_one,
    "ConditionalAffineTransform": _conditional_affine,
    "FixedLinearTransform": _fixed_linear,
    "GLOWCouplingBlock": _glow,
    "InvertibleSigmoid": lambda _layer, _state: [LayerRecord("sigmoid", {}, {})],
    "NICECouplingBlock": _nice,
    "PermuteRandom": _permute,
    "RNVPCouplingBlock": _real_nvp,
}


# --- The original's own values ------------------------------------------------------------------


def _exact(model: Original) -> None:
    """Recomputes in double what FrEIA keeps in single precision beside the weights: rotations, and
    the inverse and determinant of fixed matrices."""
    for part in model.modules():
        kind = type(part).__name__
        if kind == "FixedLinearTransform":
            part.M_inv.copy_(torch.linalg.inv(part.M))
            part.logDetM.copy_(torch.linalg.slogdet(part.M)[1])
        elif kind == "AllInOneBlock" and part.permute_function is torch.nn.functional.linear:
            matrix = part.w_0 if part.householder else part.w_perm
            matrix.data.copy_(torch.from_numpy(nearest_rotation(matrix.detach().numpy())))
            if not part.householder:
                part.w_perm_inv.data.copy_(matrix.T)


def _conditions(model: Original, context: Any) -> Iterator[Tensor]:
    first = 0
    for size in describe(model)["conditions"]:
        yield context[:, first : first + size]
        first += size


def sampling_map(model: Original, z: Tensor, context: Any) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) by FrEIA itself; context [draw x context_dim] or None."""
    _exact(model)
    conditions = None if context is None else list(_conditions(model, context))
    reverse = getattr(model, "sampling_direction", "reverse") == "reverse"
    x, log_det = model(z, c=conditions, rev=reverse)
    return (x[0] if isinstance(x, tuple) else x), log_det


def base_log_density(_model: Original, z: Tensor, _context: Any) -> Tensor:
    """The standard normal density: FrEIA has none of its own."""
    return -0.5 * (z**2).sum(dim=1) - 0.5 * z.shape[1] * math.log(2.0 * math.pi)
