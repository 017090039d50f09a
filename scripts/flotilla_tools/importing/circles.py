# SPDX-License-Identifier: BSD-3-Clause
"""Flows of normflows on circles: splines some of whose coordinates are circular, periodic features,
turns, and the base density UniformGaussian.

Some coordinates of a spline are circular and some have linear tails: in the flow file the spline
has free ends, and the conditioner gives the slopes there.  Coordinates with bounds of their own are
scaled to the bound 1 and back.
"""

from typing import Any, Sequence

import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import ConversionError, Described, Network, Original, State

NUMBERS = {
    "min_width": "min_bin_width",
    "min_height": "min_bin_height",
    "min_derivative": "min_derivative",
}


def plain(value: Any) -> Any:
    """A number, or a list of numbers in place of a tensor."""
    return value.tolist() if hasattr(value, "tolist") else float(value)


def describe_spline(transform: Original) -> dict[str, Any]:
    """The tails and the bounds of each coordinate of a spline, and its numbers."""
    numbers = {name: float(getattr(transform, name)) for name in NUMBERS.values()}
    tails, bound = transform.tails, plain(transform.tail_bound)
    if isinstance(tails, str) and hasattr(transform, "num_transform_features"):
        tails = [tails] * transform.num_transform_features
    found = {"num_bins": transform.num_bins, "tails": tails, "tail_bound": bound, **numbers}
    if hasattr(transform, "transform_features"):
        found["moved"] = transform.transform_features.tolist()
    return found


def describe_features(net: Original) -> dict[str, Any]:
    """The periodic features that a network computes of its inputs, if it does."""
    features: Original = getattr(net, "preprocessing", None)
    kind = type(features).__name__
    if kind in ("NoneType", "Identity"):
        return {}
    if kind == "PeriodicFeaturesCat":
        return {"periodic": {"both": plain(features.scale)}}
    if kind != "PeriodicFeaturesElementwise":
        raise ConversionError(f"its conditioner preprocesses its inputs by {kind}")
    if type(features.activation).__name__ != "Identity":
        raise ConversionError("its periodic features have an activation")
    return {"periodic": plain(features.scale)}


def describe_turn(flow: Original) -> dict[str, Any]:
    """Of PeriodicShift and PeriodicWrap: the coordinates, their bounds and their shifts."""
    found = {"ind": np.asarray(flow.ind).tolist(), "bound": plain(flow.bound)}
    return {**found, "shift": plain(getattr(flow, "shift", 0.0))}


def turn(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("bound", "shift")
    circular = np.zeros(layer["dim"], dtype=np.int8)
    bound, shift = np.ones(layer["dim"]), np.zeros(layer["dim"])
    circular[layer["ind"]] = 1
    bound[layer["ind"]], shift[layer["ind"]] = layer["bound"], layer["shift"]
    arrays: dict[str, Array] = {"circular": circular, "bound": bound, "shift": shift}
    return [LayerRecord("wrap", {}, arrays)]


def uniform_gaussian(state: State) -> LayerRecord:
    scale, on_circle = state.take("scale"), state.take("ind").astype(int)
    state.drop("ind_", "inv_perm")
    circular = np.zeros(len(scale), dtype=np.int8)
    circular[on_circle] = 1
    arrays: dict[str, Array] = {"circular": circular, "loc": np.zeros(len(scale)), "scale": scale}
    return LayerRecord("circular_normal", {}, arrays)


def uniform_box(low: Array, high: Array, layers: Sequence[Described]) -> LayerRecord:
    """A box.  An edge is a circle where every layer takes a coordinate round it."""
    dim = len(low)
    on_circle = [_on_circle(layer, dim, high) for layer in layers]
    arrays: dict[str, Array] = {"low": low, "high": high}
    if layers and np.all(low == -high) and np.any(np.all(on_circle, axis=0)):
        arrays["circular"] = np.all(on_circle, axis=0).astype(np.int8)
    return LayerRecord("uniform_box", {}, arrays)


def _on_circle(layer: Described, dim: int, bound: Array) -> Array:
    """Whether a layer takes the circle [-bound, bound) of each coordinate to itself.  What is not
    known to does not."""
    bounds, circular = np.full(dim, np.nan), np.zeros(dim, dtype=bool)
    if "ind" in layer:
        bounds, circular = bound.copy(), np.ones(dim, dtype=bool)
        bounds[layer["ind"]] = layer["bound"]
    elif isinstance(layer.get("tails"), str):
        bounds[:], circular[:] = layer.get("tail_bound", np.nan), layer["tails"] == "circular"
    elif "tails" in layer:
        moved = np.asarray(layer.get("moved", range(dim)), dtype=int)
        kept = np.setdiff1d(np.arange(dim), moved)
        bounds[kept], circular[kept] = bound[kept], True
        for chosen, spline in ((moved, layer), (kept, layer.get("unconditional"))):
            if spline is not None:
                bounds[chosen] = spline["tail_bound"]
                circular[chosen] = np.array(spline["tails"]) == "circular"
    return circular & (bounds == bound)


def coupling(layer: Described, state: State) -> list[LayerRecord]:
    """A coupled spline, and the spline of constants of the coordinates that it keeps."""
    kept = np.ones(layer["dim"], dtype=bool)
    kept[state.take("transform_features").astype(int)] = False
    state.drop("identity_features", "tail_bound")
    below, context = state.below("transform_net"), layer.get("context", 0)
    activation, periodic = layer.get("activation", "relu"), layer.get("periodic")
    net = networks.residual_net(below, activation, context, periodic)
    hidden = net.linears[-1][0].shape[1]
    attributes, bounds = _free_ends(layer, net, int((~kept).sum()), hidden)
    spline = networks.coupling("spline", attributes, kept, net)
    records = _scaled(spline, np.where(kept, 1.0, _spread(~kept, bounds)))
    if state.has_below("unconditional_transform"):
        records += _constants(layer["unconditional"], kept, state.below("unconditional_transform"))
    return networks.inverted(records)


def autoregressive(layer: Described, state: State) -> list[LayerRecord]:
    state.drop("tail_bound")
    below, context = state.below("autoregressive_net"), layer.get("context", 0)
    activation, periodic = layer.get("activation", "relu"), layer.get("periodic")
    net = networks.made(below, activation, context, networks.NORMFLOWS_MADE, periodic)
    attributes, bounds = _free_ends(layer, net, layer["dim"], None)
    net.linears[0][0] = net.linears[0][0] * bounds
    spline = networks.autoregressive("spline", attributes, layer["dim"], net)
    return networks.inverted(_scaled(spline, bounds))


def _spread(chosen: Array, values: Array) -> Array:
    """Values at the chosen coordinates, ones elsewhere."""
    spread = np.ones(len(chosen))
    spread[chosen] = values
    return spread


def _scaled(spline: LayerRecord, bounds: Array) -> list[LayerRecord]:
    """A spline with bound 1 between a scale and its inverse, unless all bounds are 1."""
    if np.all(bounds == 1.0):
        return [spline]
    none = np.zeros(len(bounds))
    return [
        networks.diagonal_affine(1.0 / bounds, none),
        spline,
        networks.diagonal_affine(bounds, none),
    ]


def _attributes(layer: Described, coordinates: int) -> tuple[dict[str, Any], Array]:
    """Attributes of a spline with free ends, and scales: bounds where they differ, else ones."""
    bound = layer["tail_bound"]
    whole = not isinstance(bound, list)
    numbers = {name: layer[own] for name, own in NUMBERS.items()}
    attributes = networks.spline(layer["num_bins"], bound if whole else 1.0, "free", **numbers)
    return attributes, np.ones(coordinates) if whole else np.asarray(bound, dtype=float)


def _free_ends(
    layer: Described, net: Network, coordinates: int, hidden: int | None
) -> tuple[dict[str, Any], Array]:
    """Orders a conditioner's outputs and makes its slopes at both ends those of the tails."""
    attributes, bounds = _attributes(layer, coordinates)
    bins = int(attributes["bins"])
    net.keep_outputs(networks.by_parameter(coordinates, 3 * bins + 1))
    if hidden is not None:
        factors = np.ones((3 * bins + 1) * coordinates)
        factors[: 2 * bins * coordinates] = hidden**-0.5
        net.scale_outputs(factors)
    shaped = [array.reshape(3 * bins + 1, coordinates, -1) for array in net.linears[-1]]
    _close(shaped[0], layer["tails"], 2 * bins, 0.0)
    _close(shaped[1], layer["tails"], 2 * bins, _flat(attributes["min_derivative"]))
    weight, bias = (array.reshape(-1, array.shape[-1]) for array in shaped)
    net.linears[-1] = [weight, bias[:, 0]]
    return attributes, bounds


def _flat(min_derivative: float) -> float:
    """The parameter of slope 1."""
    return float(np.log(np.exp(1.0 - min_derivative) - 1.0))


def _close(rows: Array, tails: Sequence[str], first: int, flat: float) -> None:
    """Sets the slopes at the ends, in rows [parameter x coordinate x ...] from `first` on."""
    for coordinate, tail in enumerate(tails):
        if tail == "linear":
            rows[first, coordinate] = rows[-1, coordinate] = flat
        elif tail == "circular":
            rows[-1, coordinate] = rows[first, coordinate]
        else:
            raise ConversionError(f"its tails are {tail}; converted are linear and circular")


def _constants(layer: Described, moved: Array, state: State) -> list[LayerRecord]:
    state.drop("tail_bound")
    names = ("unnormalized_widths", "unnormalized_heights", "unnormalized_derivatives")
    parameters = np.concatenate([state.take(name) for name in names], axis=1)
    attributes, bounds = _attributes(layer, int(moved.sum()))
    flat = _flat(attributes["min_derivative"])
    _close(parameters.T[:, :, None], layer["tails"], 2 * int(attributes["bins"]), flat)
    spline = networks.elementwise("spline", attributes, moved, parameters)
    return _scaled(spline, _spread(moved, bounds))
