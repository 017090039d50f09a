# SPDX-License-Identifier: BSD-3-Clause
"""Flows of nflows (bayesiains/nflows) as layers of a flow file.

nflows maps data to noise, so sampling goes the other way: the last transform comes first.
"""

import math

from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np
import torch

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks, refinement, splines, umnn
from flotilla_tools.importing.networks import (
    ConversionError,
    Converter,
    Described,
    Network,
    Original,
    Parts,
    State,
)

PREFIX = "_transform._transforms."
SCALES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda s: 1.0 / (1.0 + np.exp(-s - 2.0)) + 1e-3,
    "softplus": lambda s: np.log1p(np.exp(s)) + 1e-3,
    "softplus_to_3": lambda s: np.minimum(np.log1p(np.exp(s)) + 1e-3, 3.0),
}
"""Scales of affine layers, as functions of what the conditioner says."""

LOG_SIGMOID = "exp_sigmoid"
"""The scale exp(2 n (sigmoid(s) - 1/2)) of glasflow, described with its n."""


class Constant(NamedTuple):
    """A number of a layer that golden values have otherwise than the library."""

    name: str
    value: Callable[[Any], float]
    note: str


CONSTANTS: Mapping[str, Constant] = {
    "LeakyReLU": Constant(
        "log_negative_slope",
        lambda layer: math.log(layer.negative_slope),
        "which the library keeps in single precision, is in double",
    ),
    "Sigmoid": Constant(
        "eps", lambda layer: 0.0, "by which its inverse keeps away from 0 and 1, is 0 here"
    ),
}
"""By class.  Converting a model to double precision does not change the first."""


APPROXIMATE = (
    *(name for name in splines.CLASSES if "Linear" in name or "Cubic" in name),
    "MaskedUMNNAutoregressiveTransform",
    "UMNNCouplingTransform",
)
"""Classes whose inverse is not that of their forward direction to all digits: the search for a bin
moves the last knot by 1e-6, a cubic that is nearly quadratic is taken for one, and integrals are
inverted by 25 bisections of [-20, 20]."""


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a live nflows Flow: all that its state dict does not tell, apart from the
    network that embeds its context."""
    layers = _describe_transform(model._transform, "_transform")
    base = model._distribution
    described: dict[str, Any] = {"class": type(base).__name__}
    if described["class"] == "BoxUniform":
        described["low"] = base.base_dist.low.tolist()
        described["high"] = base.base_dist.high.tolist()
    if described["class"] == "ConditionalDiagonalNormal":
        described["encoder"] = type(base._context_encoder).__name__
    return {"library": "nflows", "base": described, "layers": layers}


def _describe_transform(transform: Original, prefix: str) -> list[dict[str, Any]]:
    kind = type(transform).__name__
    if kind in ("CompositeTransform", "CompositeCDFTransform"):
        found = []
        for k, part in enumerate(transform._transforms):
            found += _describe_transform(part, f"{prefix}._transforms.{k}")
        return found
    if kind == "InverseTransform":
        parts = _describe_transform(transform._transform, f"{prefix}._transform")
        return [{**part, "inverse": not part.get("inverse", False)} for part in reversed(parts)]
    options = _OPTIONS.get(kind, networks.no_options)
    try:
        return [{"class": kind, "prefix": prefix, **options(transform)}]
    except ConversionError as problem:
        raise ConversionError(f"layer {prefix} (nflows.{kind}): {problem}") from None


def _describe_net(net: Original) -> dict[str, Any]:
    kind = type(net).__name__
    if kind == "MLP":
        return {
            "net": kind,
            "activation": networks.describe_activation(net._activation),
            "activate_output": bool(net._activate_output),
        }
    if kind == "ResidualNet":
        activation = net.blocks[0].activation if len(net.blocks) > 0 else "relu"
        if not isinstance(activation, str):
            activation = networks.describe_activation(activation)
        return {"net": kind, "activation": activation, "context": net.context_features or 0}
    raise ConversionError(f"its conditioner {kind} is neither ResidualNet nor MLP")


def _describe_scale(scale: Callable[[torch.Tensor], torch.Tensor]) -> str | list[Any]:
    """The name of a function, recognised by its values, with its number if it has one."""
    points = torch.linspace(-8.0, 8.0, 65, dtype=torch.float64)
    values = scale(points).numpy()
    for name, formula in SCALES.items():
        if np.allclose(values, formula(points.numpy()), rtol=1e-12, atol=0.0):
            return name
    largest = float(np.log(values[-1]) / np.tanh(4.0))
    if np.allclose(values, np.exp(largest * np.tanh(0.5 * points.numpy())), rtol=1e-12, atol=0.0):
        return [LOG_SIGMOID, largest]
    raise ConversionError(
        "its scale_activation is neither sigmoid(s + 2) + 0.001 nor softplus(s) + 0.001, also up "
        "to 3, nor exp(2 n (sigmoid(s) - 0.5))"
    )


def _describe_affine(transform: Original) -> dict[str, Any]:
    scale = getattr(transform, "scale_activation", None)
    return {
        **_describe_net(transform.transform_net),
        "scale": "sigmoid" if scale is None else _describe_scale(scale),
    }


def _describe_made(transform: Original) -> dict[str, Any]:
    net = transform.autoregressive_net
    context = net.context_layer.in_features if hasattr(net, "context_layer") else 0
    return {"activation": networks.describe_activation(net.activation), "context": context}


def _describe_masked_affine(transform: Original) -> dict[str, Any]:
    def scale(points: torch.Tensor) -> torch.Tensor:
        parameters = torch.stack([points, torch.zeros_like(points)], dim=1)
        parameters = parameters.repeat(1, transform.features)
        ones = torch.ones(len(points), transform.features, dtype=points.dtype)
        return transform._elementwise_forward(ones, parameters)[0][:, 0]

    return {**_describe_made(transform), "scale": _describe_scale(scale)}


def _describe_spline(transform: Original) -> dict[str, Any]:
    found = splines.describe(transform)
    if hasattr(transform, "transform_net"):
        return {**_describe_net(transform.transform_net), **found}
    if hasattr(transform, "autoregressive_net"):
        return {**_describe_made(transform), **found}
    return found


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {
    "AffineCouplingTransform": _describe_affine,
    "AdditiveCouplingTransform": lambda t: _describe_net(t.transform_net),
    "MaskedAffineAutoregressiveTransform": _describe_masked_affine,
    "LULinear": lambda t: {"eps": t.eps},
    "SVDLinear": lambda t: {"eps": t.eps},
    "MaskedUMNNAutoregressiveTransform": lambda t: {
        **_describe_made(t),
        **umnn.describe(t.transformer, t.cond_size),
    },
    "UMNNCouplingTransform": lambda t: {
        **_describe_net(t.transform_net),
        **umnn.describe(t.transformer, t.cond_size),
    },
    "BatchNorm": lambda t: {"eps": t.eps},
    "LogTanh": lambda t: {"cut_point": float(t.cut_point)},
    "LeakyReLU": lambda t: {"negative_slope": float(t.negative_slope)},
    **dict.fromkeys(splines.CLASSES, _describe_spline),
}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    layers = description["layers"]
    if "context" in description:
        state.drop_below("_embedding_net")
    converted = networks.convert_layers("nflows", PREFIX, CONVERTERS, layers, state)
    records = []
    for layer, found in zip(layers, converted):
        records += networks.inverted(found) if layer.get("inverse") else found
    dim = description.get("features") or _dim(records)
    records = [_repeated(record, dim) for record in records]
    base = _base(description["base"], state, dim)
    told = base.arrays["context_loc"].shape[1] if "context_loc" in base.arrays else 0
    context = max(told, networks.context_dim(layers))
    return dim, context, base, networks.inverted(records)


def _repeated(record: LayerRecord, dim: int) -> LayerRecord:
    """A diagonal affine map with its one number for each coordinate; other layers as they are."""
    if record.type != "diagonal_affine" or len(record.arrays["scale"]) != 1:
        return record
    arrays = {name: np.repeat(array, dim) for name, array in record.arrays.items()}
    return record._replace(arrays=arrays)


def _dim(records: Sequence[LayerRecord]) -> int:
    """The dimension, from the first layer that tells it; a scale of one number tells nothing."""
    for record in records:
        if record.type == "diagonal_affine" and len(record.arrays["scale"]) == 1:
            continue
        for name in ("mask", "order", "indices", "bias", "scale"):
            if name in record.arrays:
                return len(record.arrays[name])
        if "vectors" in record.arrays:
            return record.arrays["vectors"].shape[1]
    raise ConversionError("expected a layer that tells the dimension, found none: give 'features'")


def _base(base: Described, state: State, dim: int) -> LayerRecord:
    kind = base["class"]
    below = state.below("_distribution")
    below.drop("_log_z")
    if kind == "StandardNormal":
        return LayerRecord("standard_normal", {}, {})
    if kind == "DiagonalNormal":
        loc, scale = below.take("mean_").reshape(-1), np.exp(below.take("log_std_").reshape(-1))
        return LayerRecord("diagonal_normal", {}, {"loc": loc, "scale": scale})
    if kind == "BoxUniform":
        low, high = (
            np.broadcast_to(np.asarray(base[n], dtype=float), dim) for n in ("low", "high")
        )
        return LayerRecord("uniform_box", {}, {"low": low.copy(), "high": high.copy()})
    if kind == "ConditionalDiagonalNormal":
        encoder = base.get("encoder", "Linear")
        return conditional_normal(f"nflows.{kind}", encoder, below.below("_context_encoder"))
    raise ConversionError(
        f"base (nflows.{kind}): flow files have no such base density (converted are: "
        "StandardNormal, DiagonalNormal, ConditionalDiagonalNormal, BoxUniform)"
    )


def conditional_normal(name: str, encoder: str, state: State) -> LayerRecord:
    """Means, then log standard deviations, by a linear map of the context."""
    if encoder != "Linear":
        raise ConversionError(f"base ({name}): its context_encoder {encoder} is no Linear")
    weight, bias = state.take("weight"), state.take_if("bias")
    dim = len(weight) // 2
    bias = np.zeros(2 * dim) if bias is None else bias
    arrays = {"loc": bias[:dim], "scale": np.exp(bias[dim:])}
    arrays.update(context_loc=weight[:dim], context_log_scale=weight[dim:])
    return LayerRecord("diagonal_normal", {}, arrays)


def _conditioner(layer: Described, state: State) -> Network:
    kind, activation = layer.get("net", "ResidualNet"), layer.get("activation", "relu")
    if kind == "ResidualNet":
        return networks.residual_net(state, activation, layer.get("context", 0))
    if kind != "MLP":
        raise ConversionError(f"its conditioner {kind} is neither ResidualNet nor MLP")
    if layer.get("context", 0) > 0:
        raise ConversionError("an MLP of nflows takes no context")
    net = Network()
    hidden = 0
    names = ["_input_layer"]
    while state.has_below(f"_hidden_layers.{hidden}"):
        names.append(f"_hidden_layers.{hidden}")
        hidden += 1
    for name in names:
        net.linear(state.below(name).take("weight"), state.below(name).take("bias"))
        net.activation(activation)
    net.linear(
        state.below("_output_layer").take("weight"), state.below("_output_layer").take("bias")
    )
    if layer.get("activate_output"):
        net.activation(activation)
    return net


def _kept(state: State) -> Array:
    moved = state.take("transform_features").astype(int)
    kept = np.ones(len(moved) + len(state.take("identity_features")), dtype=bool)
    kept[moved] = False
    return kept


def _scale(layer: Described) -> dict[str, Any]:
    name = layer.get("scale", "sigmoid")
    if isinstance(name, list) and name[0] == LOG_SIGMOID:  # sigmoid(s) - 1/2 = tanh(s / 2) / 2
        return {"scale": "tanh", "bound": name[1]}
    if name not in SCALES:
        known = ", ".join([*SCALES, LOG_SIGMOID])
        raise ConversionError(f"expected a scale among {known}, found '{name}'")
    if name == "softplus_to_3":
        return {"scale": "softplus", "offset": 0.0, "floor": 1e-3, "ceiling": 3.0}
    offset = 2.0 if name == "sigmoid" else 0.0
    return {"scale": name, "offset": offset, "floor": 1e-3}


def _halve_scales(net: Network, attributes: Described, count: int) -> None:
    """For exp(bound tanh(s / 2)): the first `count` outputs are the s."""
    if attributes["scale"] == "tanh":
        net.scale_outputs(np.repeat([0.5, 1.0], count))


def _affine_coupling(layer: Described, state: State) -> list[LayerRecord]:
    _no_unconditional(state)
    kept, net = _kept(state), _conditioner(layer, state.below("transform_net"))
    moved = int((~kept).sum())
    net.keep_outputs([*range(moved, 2 * moved), *range(moved)])  # nflows has the shifts first
    attributes = _scale(layer)
    _halve_scales(net, attributes, moved)
    return [networks.coupling("affine", attributes, kept, net)]


def _additive_coupling(layer: Described, state: State) -> list[LayerRecord]:
    _no_unconditional(state)
    net = _conditioner(layer, state.below("transform_net"))
    return [networks.coupling("additive", {}, _kept(state), net)]


def _no_unconditional(state: State) -> None:
    if state.has_below("unconditional_transform"):
        raise ConversionError("its unconditional_transform is converted for splines alone")


def _spline_coupling(layer: Described, state: State) -> list[LayerRecord]:
    spline, kept = splines.CLASSES[layer["class"]], _kept(state)
    net = _conditioner(layer, state.below("transform_net"))
    residual = layer.get("net", "ResidualNet") == "ResidualNet"
    hidden = len(net.linears[0][1]) if residual else None
    splines.order_rows(spline, layer, net, int((~kept).sum()), hidden)
    attributes = splines.attributes(spline, layer)
    records = [networks.coupling(spline.kind, attributes, kept, net)]
    if state.has_below("unconditional_transform"):
        constants = state.below("unconditional_transform")
        records.append(splines.of_constants(spline, layer, kept, constants))
    return records


def _spline_of_constants(layer: Described, state: State) -> list[LayerRecord]:
    return [splines.of_constants(splines.CLASSES[layer["class"]], layer, None, state)]


def _made(layer: Described, state: State) -> Network:
    return networks.made(
        state.below("autoregressive_net"),
        layer.get("activation", "relu"),
        layer.get("context", 0),
        networks.NFLOWS_MADE,
    )


def _masked_affine(layer: Described, state: State) -> list[LayerRecord]:
    net = _made(layer, state)
    dim = len(net.linears[-1][1]) // 2
    net.keep_outputs(networks.by_parameter(dim, 2))
    attributes = _scale({"scale": "softplus", **layer})
    _halve_scales(net, attributes, dim)
    return [networks.autoregressive("affine", attributes, dim, net)]


def _masked_spline(layer: Described, state: State) -> list[LayerRecord]:
    spline, net = splines.CLASSES[layer["class"]], _made(layer, state)
    dim = net.linears[0][0].shape[1]
    splines.order_rows(spline, layer, net, dim, None)
    return [networks.autoregressive(spline.kind, splines.attributes(spline, layer), dim, net)]


def _umnn_coupling(layer: Described, state: State) -> list[LayerRecord]:
    _no_unconditional(state)
    kept, net = _kept(state), _conditioner(layer, state.below("transform_net"))
    umnn.rows(layer, net, int((~kept).sum()))
    record = networks.coupling("integrated_network", umnn.attributes(layer), kept, net)
    return [umnn.with_integrand(record, layer, state)]


def _masked_umnn(layer: Described, state: State) -> list[LayerRecord]:
    net = _made(layer, state)
    dim = net.linears[0][0].shape[1]
    umnn.rows(layer, net, dim)
    record = networks.autoregressive("integrated_network", umnn.attributes(layer), dim, net)
    return [umnn.with_integrand(record, layer, state)]


def _permutation(layer: Described, state: State) -> list[LayerRecord]:
    return [networks.permutation(state.take("_permutation"))]


def _softplus(values: Array) -> Array:
    return np.logaddexp(0.0, values)


def lu_linear(layer: Described, state: State) -> list[LayerRecord]:
    """LULinear of nflows, _LULinear of normflows."""
    bias = state.take("bias")
    dim = len(bias)
    lower, upper = np.eye(dim), np.zeros((dim, dim))
    lower[np.tril_indices(dim, k=-1)] = state.take("lower_entries")
    upper[np.triu_indices(dim, k=1)] = state.take("upper_entries")
    diagonal = _softplus(state.take("unconstrained_upper_diag")) + layer.get("eps", 1e-3)
    upper[np.diag_indices(dim)] = diagonal
    return [networks.lu_linear(lower, upper, bias)]


def _householder(layer: Described, state: State) -> list[LayerRecord]:
    return [LayerRecord("householder", {}, {"vectors": state.take("q_vectors")})]


def _qr_linear(layer: Described, state: State) -> list[LayerRecord]:
    bias = state.take("bias")
    upper = np.diag(np.exp(state.take("log_upper_diag")))
    upper[np.triu_indices(len(bias), k=1)] = state.take("upper_entries")
    return [
        networks.lu_linear(np.eye(len(bias)), upper, np.zeros_like(bias)),
        *_householder(layer, state.below("orthogonal")),
        networks.diagonal_affine(np.ones_like(bias), bias),
    ]


def _sigmoid(_layer: Described, state: State) -> list[LayerRecord]:
    """Its inverse keeps away from 0 and 1 by eps; the layer of a flow file does not."""
    temperature = state.take("temperature").reshape(-1)
    if not temperature[0] > 0.0:
        raise ConversionError(f"its temperature is {temperature[0]:g}; converted are positive ones")
    unit = [LayerRecord("sigmoid", {}, {})]
    if temperature[0] == 1.0:
        return unit
    return [networks.diagonal_affine(temperature, np.zeros(1)), *unit]


def _logit(layer: Described, state: State) -> list[LayerRecord]:
    return networks.inverted(_sigmoid(layer, state.below("_transform")))


def _svd_linear(layer: Described, state: State) -> list[LayerRecord]:
    diagonal = _softplus(state.take("unconstrained_diagonal")) + layer.get("eps", 1e-3)
    bias = state.take("bias")
    return [
        *_householder(layer, state.below("orthogonal_2")),
        networks.diagonal_affine(diagonal, np.zeros_like(bias)),
        *_householder(layer, state.below("orthogonal_1")),
        networks.diagonal_affine(np.ones_like(bias), bias),
    ]


def _leaky_relu(layer: Described, _state: State) -> list[LayerRecord]:
    return [LayerRecord("leaky_relu", {"slope": layer.get("negative_slope", 1e-2)}, {})]


def _log_tanh(layer: Described, _state: State) -> list[LayerRecord]:
    return [LayerRecord("log_tanh", {"cut_point": layer.get("cut_point", 1.0)}, {})]


def _naive_linear(layer: Described, state: State) -> list[LayerRecord]:
    return networks.dense_linear(state.take("_weight"), state.take("bias"))


def _batch_norm(layer: Described, state: State) -> list[LayerRecord]:
    epsilon = layer.get("eps", 1e-5)
    scale = _softplus(state.take("unconstrained_weight")) + epsilon
    scale = scale / np.sqrt(state.take("running_var") + epsilon)
    return [
        networks.diagonal_affine(scale, state.take("bias") - state.take("running_mean") * scale)
    ]


def _pointwise_affine(layer: Described, state: State) -> list[LayerRecord]:
    """One number for all coordinates stays one here: `convert` repeats it."""
    scale, shift = np.broadcast_arrays(
        state.take("_scale").reshape(-1), state.take("_shift").reshape(-1)
    )
    return [networks.diagonal_affine(scale.copy(), shift.copy())]


def _act_norm(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("initialized")
    return [networks.diagonal_affine(np.exp(state.take("log_scale")), state.take("shift"))]


CONVERTERS: Mapping[str, Converter] = {
    "ActNorm": _act_norm,
    "AdditiveCouplingTransform": _additive_coupling,
    "AffineCouplingTransform": _affine_coupling,
    "AffineTransform": _pointwise_affine,
    "BatchNorm": _batch_norm,
    "Exp": lambda layer, state: [LayerRecord("exp", {}, {})],
    "HouseholderSequence": _householder,
    "IdentityTransform": lambda layer, state: [],
    "LULinear": lu_linear,
    "LeakyReLU": _leaky_relu,
    "LogTanh": _log_tanh,
    "Logit": _logit,
    "MaskedAffineAutoregressiveTransform": _masked_affine,
    "MaskedUMNNAutoregressiveTransform": _masked_umnn,
    "NaiveLinear": _naive_linear,
    "Permutation": _permutation,
    "PointwiseAffineTransform": _pointwise_affine,
    "QRLinear": _qr_linear,
    "RandomPermutation": _permutation,
    "ReversePermutation": _permutation,
    "SVDLinear": _svd_linear,
    "Sigmoid": _sigmoid,
    "Tanh": lambda layer, state: [LayerRecord("tanh", {}, {})],
    "UMNNCouplingTransform": _umnn_coupling,
    **{f"Piecewise{name}CouplingTransform": _spline_coupling for name in splines.SPLINES},
    **{f"Piecewise{name}CDF": _spline_of_constants for name in splines.SPLINES},
    **{f"MaskedPiecewise{n}AutoregressiveTransform": _masked_spline for n in splines.SPLINES},
}


# --- The original's own values ------------------------------------------------------------------


def sampling_map(
    model: Original, z: torch.Tensor, context: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(x, log|det dx/dz|) by nflows itself; context [draw x context_dim] or None."""
    return _inverse(model._transform, z, context)


def _inverse(
    transform: Original, z: torch.Tensor, context: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse of a transform, exact also where nflows only approximates it."""
    kind = type(transform).__name__
    if kind in ("CompositeTransform", "CompositeCDFTransform"):
        log_det = z.new_zeros(len(z))
        for part in reversed(transform._transforms):
            z, change = _inverse(part, z, context)
            log_det = log_det + change
        return z, log_det
    if kind not in APPROXIMATE:
        return transform.inverse(z, context)
    failing = ""
    if hasattr(transform, "transformer"):
        transform.transformer.requires_grad_(True)  # UMNN's derivatives want those of its weights
        failing = f" of its {kind}, which looks for it within [-20, 20] alone"
    with torch.no_grad():
        guess, _ = transform.inverse(z.detach(), context)
    return refinement.refined(lambda x: transform(x, context), guess, z, failing)


def base_log_density(model: Original, z: torch.Tensor, context: Any) -> torch.Tensor:
    if hasattr(model._distribution, "_context_encoder"):
        return model._distribution.log_prob(z, context)
    return model._distribution.log_prob(z)
