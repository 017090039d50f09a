# SPDX-License-Identifier: BSD-3-Clause
"""Flows of normflows (VincentStimper/normalizing-flows) as layers of a flow file.

normflows maps latent points to data: its layers stand in sampling order already.
"""

from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import circles, multiscale, networks, nflows, residual, splines
from flotilla_tools.importing.networks import (
    ConversionError,
    Converter,
    Described,
    Network,
    Original,
    Parts,
    State,
)

PREFIX = "flows."


# --- From a model to its description ------------------------------------------------------------


def describe(model: Original) -> dict[str, Any]:
    """The description of a live model: all that its state dict does not tell."""
    if type(model).__name__ == "MultiscaleFlow":
        return multiscale.describe(model)
    base = model.q0
    described: dict[str, Any] = {"class": type(base).__name__}
    if described["class"] == "Uniform":
        described["low"], described["high"] = base.low.tolist(), base.high.tolist()
    if described["class"] == "AffineGaussian":
        described["shape"] = [int(size) for size in base.shape]
    if described["class"] == "ConditionalDiagGaussian":
        described["encoder"] = type(base.context_encoder).__name__
    layers = []
    for k, flow in enumerate(model.flows):
        layers += _describe_flow(flow, f"{PREFIX}{k}")
    found: dict[str, Any] = {"library": "normflows", "base": described, "layers": layers}
    return found if described["class"] != "Uniform" else {**found, "features": int(base.d)}


def _describe_flow(flow: Original, prefix: str) -> list[dict[str, Any]]:
    """A layer, or those that Composite and Reverse are made of, with their names in the state."""
    kind = type(flow).__name__
    if kind == "Composite":
        parts = [_describe_flow(p, f"{prefix}._flows.{k}") for k, p in enumerate(flow._flows)]
        return sum(parts, [])
    if kind == "Reverse":
        within = _describe_flow(flow.flow, f"{prefix}.flow")
        return [{**part, "reversed": not part.get("reversed", False)} for part in reversed(within)]
    try:
        found = {"class": kind, **_OPTIONS.get(kind, networks.no_options)(flow)}
    except ConversionError as problem:
        raise ConversionError(f"layer {prefix} (normflows.{kind}): {problem}") from None
    plain = prefix.count(".") == PREFIX.count(".")
    return [found if plain else {**found, "prefix": prefix}]


def _describe_mlp(net: Original) -> list[Any]:
    """The words between the linear maps of an MLP, read from its modules."""
    kind = type(net).__name__
    if kind != "MLP":
        raise ConversionError(f"its network {kind} is no normflows.nets.MLP")
    words: list[Any] = []
    for module in net.net:
        name = type(module).__name__
        if name in ("Linear", "ConstScaleLayer"):
            words.append({"Linear": "linear", "ConstScaleLayer": "scale"}[name])
        elif name != "Dropout":
            words.append(networks.describe_activation(module))
        else:
            words.append("dropout")
    return words


def _describe_block(flow: Original) -> dict[str, Any]:
    split, affine, _ = flow.flows
    return {
        "split_mode": split.mode,
        "scale_map": affine.scale_map if affine.scale else None,
        "mlp": _describe_mlp(affine.param_map),
    }


def _describe_masked(flow: Original) -> dict[str, Any]:
    nets = {name: getattr(flow, name) for name in ("s", "t")}
    return {name: None if _is_zero(net) else _describe_mlp(net) for name, net in nets.items()}


def _is_zero(net: Original) -> bool:
    """Whether this is the function, no module, by which a layer has no scale or no shift."""
    if isinstance(net, torch.nn.Module):
        return False
    return not bool(torch.any(net(torch.ones(1, 2)) != 0.0))


def _describe_spline(transform: Original) -> dict[str, Any]:
    numbers = {name: float(getattr(transform, name)) for name in splines.NUMBERS.values()}
    tails = transform.tails
    if isinstance(tails, (list, tuple)):
        if len(set(tails)) != 1:
            raise ConversionError("some of its coordinates are circular and some are not")
        tails = tails[0]
    if not isinstance(transform.tail_bound, (int, float)):
        raise ConversionError("its coordinates have different tail bounds")
    bins = transform.num_bins
    return {"num_bins": bins, "tails": tails, "tail_bound": float(transform.tail_bound), **numbers}


def _describe_coupled_spline(flow: Original) -> dict[str, Any]:
    net = flow.prqct.transform_net
    activation = (
        networks.describe_activation(net.blocks[0].activation) if len(net.blocks) else "relu"
    )
    return {
        "activation": activation,
        "context": net.context_features or 0,
        **_describe_spline(flow.prqct),
    }


def _describe_circular_coupling(transform: Original) -> dict[str, Any]:
    net, constants = transform.transform_net, transform.unconditional_transform
    spline = circles.describe_spline(transform)
    found = {
        "activation": networks.describe_activation(net.blocks[0].activation),
        "context": net.context_features or 0,
        **spline,
        **circles.describe_features(net),
    }
    if constants is None:
        return found
    bound = circles.plain(constants.tail_bound)
    unconditional = {**spline, "tails": constants.tails, "tail_bound": bound}
    return {**found, "unconditional": unconditional}


def _describe_circular_masked(flow: Original) -> dict[str, Any]:
    net = flow.mprqat.autoregressive_net
    return {
        **_describe_net(net),
        **circles.describe_spline(flow.mprqat),
        **circles.describe_features(net),
    }


def _describe_masked_spline(flow: Original) -> dict[str, Any]:
    return {**_describe_net(flow.mprqat.autoregressive_net), **_describe_spline(flow.mprqat)}


def _describe_net(net: Original) -> dict[str, Any]:
    """The description of a MADE. Only its blocks know their activation."""
    context = net.context_layer.in_features if hasattr(net, "context_layer") else 0
    activation = net.blocks[0].activation if len(net.blocks) > 0 else torch.relu
    return {"activation": networks.describe_activation(activation), "context": context}


_OPTIONS: Mapping[str, Callable[[Original], dict[str, Any]]] = {
    "AffineCouplingBlock": _describe_block,
    "AutoregressiveRationalQuadraticSpline": _describe_masked_spline,
    "CircularAutoregressiveRationalQuadraticSpline": _describe_circular_masked,
    "CircularCoupledRationalQuadraticSpline": lambda flow: _describe_circular_coupling(flow.prqct),
    "CoupledRationalQuadraticSpline": _describe_coupled_spline,
    "InvertibleAffine": lambda flow: {"use_lu": bool(flow.use_lu)},
    "Logit": lambda flow: {"alpha": float(flow.alpha)},
    "LULinearPermute": lambda flow: {"eps": flow.linear.eps},
    "MaskedAffineAutoregressive": lambda flow: _describe_net(flow.autoregressive_net),
    "MaskedAffineFlow": _describe_masked,
    "Permute": lambda flow: {"mode": flow.mode, "num_channels": flow.num_channels},
    "Planar": lambda flow: {"act": flow.act},
    "PeriodicShift": circles.describe_turn,
    "PeriodicWrap": circles.describe_turn,
    "PiecewiseRationalQuadraticCoupling": _describe_circular_coupling,
    "Residual": residual.describe,
    "Shift": lambda flow: {"shift": float(flow.shift)},
}


# --- From a description and a state dict to records ---------------------------------------------


def convert(description: Described, state: State) -> Parts:
    """(dim, context_dim, base record, layer records in sampling order)."""
    if "levels" in description:
        return multiscale.convert(description, state)
    base = _base(description, state)
    dim = description.get("features") or base.arrays["loc"].shape[-1]
    layers = description["layers"]
    parts = networks.convert_layers("normflows", PREFIX, CONVERTERS, layers, state, dim=dim)
    found = [
        networks.inverted(part) if layer.get("reversed") else part
        for layer, part in zip(layers, parts)
    ]
    context = networks.context_dim(layers)
    if "context_loc" in base.arrays:
        context = max(context, base.arrays["context_loc"].shape[1])
    return dim, context, base, sum(found, [])


def _base(description: Described, state: State) -> LayerRecord:
    kind, below = description["base"]["class"], state.below("q0")
    if kind == "DiagGaussian":
        loc, scale = below.take("loc")[0], np.exp(below.take("log_scale")[0])
        return LayerRecord("diagonal_normal", {}, {"loc": loc, "scale": scale})
    if kind == "GaussianMixture":
        scores = below.take("weight_scores")[0]
        weights = np.exp(scores - scores.max())
        arrays = {"weights": weights / weights.sum(), "loc": below.take("loc")[0]}
        arrays["scale"] = np.exp(below.take("log_scale")[0])
        return LayerRecord("gaussian_mixture", {}, arrays)
    if kind == "Uniform":
        dim = description["features"]
        low, high = (float(description["base"][name]) for name in ("low", "high"))
        return circles.uniform_box(np.full(dim, low), np.full(dim, high), description["layers"])
    if kind in ("AffineGaussian", "ClassCondDiagGaussian"):
        arrays = multiscale.BASES[kind](description["base"], below)
        return LayerRecord("diagonal_normal", {}, arrays)
    if kind == "UniformGaussian":
        return circles.uniform_gaussian(below)
    if kind == "ConditionalDiagGaussian":
        encoder = description["base"].get("encoder", "Linear")
        linear = below.below("context_encoder")
        return nflows.conditional_normal(f"normflows.{kind}", encoder, linear)
    raise ConversionError(
        f"base (normflows.{kind}): flow files have no such base density (converted are: "
        "AffineGaussian, ClassCondDiagGaussian, DiagGaussian, ConditionalDiagGaussian, "
        "GaussianMixture, Uniform, UniformGaussian)"
    )


def _mlp(words: Sequence[Any], state: State) -> Network:
    """nets.MLP; `words` name its modules in turn."""
    net = Network()
    for k, word in enumerate(words):
        below = state.below(f"net.{k}")
        if word == "linear":
            net.linear(below.take("weight"), below.take("bias"))
        elif word == "scale":
            units = len(net.linears[-1][1])
            net.affine(np.full(units, float(below.take("scale"))), np.zeros(units))
        elif word != "dropout":
            net.activation(word)
    return net


def _split(mode: str, dim: int) -> Array:
    """Whether a coupling block keeps each coordinate, one entry per coordinate."""
    places = np.arange(dim)
    halves = {
        "channel": places < (dim + 1) // 2,
        "channel_inv": places >= (dim + 1) // 2,
        "checkerboard": places % 2 == 1,
        "checkerboard_inv": places % 2 == 0,
    }
    if mode not in halves:
        raise ConversionError(f"expected a split_mode among {', '.join(halves)}, found '{mode}'")
    return halves[mode]


def _coupling_block(layer: Described, state: State) -> list[LayerRecord]:
    kept = _split(layer.get("split_mode", "channel"), layer["dim"])
    net = _mlp(layer["mlp"], state.below("flows.1.param_map"))
    scale = layer.get("scale_map", "exp")
    if scale is None:
        return [networks.coupling("additive", {}, kept, net)]
    return [multiscale.affine_coupling(scale, kept, net)]


def _masked_affine_flow(layer: Described, state: State) -> list[LayerRecord]:
    kept = state.take("b").reshape(-1) == 1.0
    nets = {}
    for name in ("s", "t"):
        if layer.get(name) is not None:
            nets[name] = _mlp(layer[name], state.below(name))
            nets[name].keep_inputs(kept)
            nets[name].keep_outputs(~kept)
    if not nets:
        return []
    if "s" not in nets:
        return [networks.coupling("additive", {}, kept, nets["t"])]
    if "t" not in nets:
        nets["t"] = _silenced(nets["s"])
    return [networks.coupling("affine", {}, kept, networks.side_by_side(nets["s"], nets["t"]))]


def _silenced(net: Network) -> Network:
    """The same network with the outputs of its last linear map set to zero."""
    if net.words[-1] != "linear":
        raise ConversionError("its scale without a shift should end with a linear map")
    silent = Network()
    silent.words, silent.numbers, silent.norms = net.words, net.numbers, net.norms
    silent.linears = [[0.0 * weight, 0.0 * bias] for weight, bias in net.linears]
    return silent


def _made(layer: Described, state: State) -> Network:
    return networks.made(
        state, layer.get("activation", "relu"), layer.get("context", 0), networks.NORMFLOWS_MADE
    )


def _masked_affine(layer: Described, state: State) -> list[LayerRecord]:
    net = _made(layer, state.below("autoregressive_net"))
    net.keep_outputs(networks.by_parameter(layer["dim"], 2))
    attributes = {"scale": "sigmoid", "offset": 2.0, "floor": 1e-3}
    return [networks.autoregressive("affine", attributes, layer["dim"], net)]


def _coupled_spline(layer: Described, state: State) -> list[LayerRecord]:
    state = state.below("prqct")
    spline = splines.SPLINES["RationalQuadratic"]
    attributes = splines.attributes(spline, layer)
    kept = np.ones(layer["dim"], dtype=bool)
    kept[state.take("transform_features").astype(int)] = False
    state.drop("identity_features")
    activation = layer.get("activation", "relu")
    net = networks.residual_net(state.below("transform_net"), activation, layer.get("context", 0))
    splines.order_rows(spline, layer, net, int((~kept).sum()), len(net.linears[0][1]))
    records = [networks.coupling("spline", attributes, kept, net)]
    if state.has_below("unconditional_transform"):
        constants = state.below("unconditional_transform")
        records.append(splines.of_constants(spline, layer, kept, constants))
    return networks.inverted(records)


def _masked_spline(layer: Described, state: State) -> list[LayerRecord]:
    spline = splines.SPLINES["RationalQuadratic"]
    attributes = splines.attributes(spline, layer)
    net = _made(layer, state.below("mprqat.autoregressive_net"))
    splines.order_rows(spline, layer, net, layer["dim"], None)
    return networks.inverted([networks.autoregressive("spline", attributes, layer["dim"], net)])


def _affine_const(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("data_dep_init_done")
    log_scale, shift = (state.take(name).reshape(-1) for name in ("s", "t"))
    return [networks.diagonal_affine(np.exp(log_scale), shift)]


def _permute(layer: Described, state: State) -> list[LayerRecord]:
    if layer.get("mode", "shuffle") == "shuffle":
        state.drop("inv_perm")
        return [networks.permutation(state.take("perm"))]
    half = layer["dim"] // 2
    return [networks.permutation([*range(half, layer["dim"]), *range(half)])]


def _lu_linear_permute(layer: Described, state: State) -> list[LayerRecord]:
    linear = nflows.lu_linear({"eps": layer.get("eps", 1e-3)}, state.below("linear"))
    permuted = networks.permutation(state.below("permutation").take("_permutation"))
    return networks.inverted([permuted, *linear])


def _invertible_affine(layer: Described, state: State) -> list[LayerRecord]:
    """z W^-1, for a row z."""
    if layer.get("use_lu", True):
        lower = np.tril(state.take("L"), -1) + state.take("eye")
        diagonal = state.take("sign_S") * np.exp(state.take("log_S"))
        upper = np.triu(state.take("U"), 1) + np.diag(diagonal)
        matrix = state.take("P") @ lower @ upper
    else:
        matrix = state.take("W")
    return networks.inverted(networks.dense_linear(matrix.T, np.zeros(len(matrix))))


def _planar(layer: Described, state: State) -> list[LayerRecord]:
    u, w = state.take("u").reshape(-1), state.take("w").reshape(-1)
    inner = w @ u
    u = u + (np.log1p(np.exp(inner)) - 1.0 - inner) * w / (w @ w)
    attributes = {"activation": layer.get("act", "tanh"), "b": float(state.take("b").reshape(()))}
    if attributes["activation"] == "leaky_relu":
        attributes["negative_slope"] = 0.2
    return [LayerRecord("planar", attributes, {"u": u, "w": w})]


def _radial(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("d")
    alpha = float(np.abs(state.take("alpha")).reshape(()))
    beta = float(np.logaddexp(0.0, state.take("beta")).reshape(())) - alpha
    centre = state.take("z_0").reshape(-1)
    return [LayerRecord("radial", {"alpha": alpha, "beta": beta}, {"centre": centre})]


CONVERTERS: Mapping[str, Converter] = {
    "ActNorm": _affine_const,
    "AffineConstFlow": _affine_const,
    "AffineCouplingBlock": _coupling_block,
    "AutoregressiveRationalQuadraticSpline": _masked_spline,
    "CircularAutoregressiveRationalQuadraticSpline": lambda layer, state: circles.autoregressive(
        layer, state.below("mprqat")
    ),
    "CircularCoupledRationalQuadraticSpline": lambda layer, state: circles.coupling(
        layer, state.below("prqct")
    ),
    "CoupledRationalQuadraticSpline": _coupled_spline,
    "InvertibleAffine": _invertible_affine,
    "LULinearPermute": _lu_linear_permute,
    "Logit": lambda layer, state: multiscale.transform(layer, layer["dim"]),
    "MaskedAffineAutoregressive": _masked_affine,
    "MaskedAffineFlow": _masked_affine_flow,
    "PeriodicShift": circles.turn,
    "PeriodicWrap": circles.turn,
    "Permute": _permute,
    "PiecewiseRationalQuadraticCoupling": lambda layer, state: networks.inverted(
        circles.coupling(layer, state)
    ),
    "Planar": _planar,
    "Radial": _radial,
    "Residual": residual.convert,
    "Shift": lambda layer, state: multiscale.transform(layer, layer["dim"]),
}


# --- The original's own values ------------------------------------------------------------------


def sampling_map(
    model: Original, z: torch.Tensor, context: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(x, log|det dx/dz|) by normflows itself; context [draw x context_dim] or None."""
    if hasattr(model, "merges"):
        return multiscale.sampling_map(model, z, context)
    log_det = z.new_zeros(len(z))
    if type(model).__name__ == "ClassCondFlow":  # only the base density knows the class
        context = None
    for flow in model.flows:
        if type(flow).__name__ == "Residual":
            z, change = residual.exact(flow)(z)
        else:
            z, change = flow(z) if context is None else flow(z, context=context)
        log_det = log_det + change
    return z, log_det


def base_log_density(model: Original, z: torch.Tensor, context: Any) -> torch.Tensor:
    if hasattr(model, "merges"):
        return multiscale.base_log_density(model, z, context)
    if hasattr(model.q0, "context_encoder") or getattr(model.q0, "num_classes", None) is not None:
        return model.q0.log_prob(z, context)
    return model.q0.log_prob(z)
