# SPDX-License-Identifier: BSD-3-Clause
"""zuko's monotone maps of one coordinate that are curves in flow files: those of BPF, GF, NAF,
NCSF, SOSPF and UNAF.

zuko finds their inverses by bisection to 1e-6; what it says of x = f(z) is refined by Newton steps
on its own forward direction before it is believed.
"""

import math
from typing import Any, Callable, Mapping, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.arrays import Array
from flotilla_tools.importing import networks, refinement
from flotilla_tools.importing.networks import ConversionError, Described, Original, State

GAUSSIANIZATIONS = (
    ".  The maps of GF have values up to 4.9, those of zuko are inverted on [-10, 10]: train the "
    "flow on standardised data, with more components"
)


class Univariate(NamedTuple):
    """A map: what is described of a layer, and (kind, attributes, parameters) in a flow file."""

    describe: Callable[[Original], dict[str, Any]]
    layout: Callable[[Described], tuple[str, dict[str, Any], int]]


def _bernstein(layer: Described) -> tuple[str, dict[str, Any], int]:
    count = layer["parameters"]
    return "bernstein", {"parameters": float(count), "bound": layer.get("bound", 5.0)}, count


def _gaussianization(layer: Described) -> tuple[str, dict[str, Any], int]:
    components = layer["components"]
    return "gaussianization", {"components": float(components)}, 2 * components


def _circular_spline(layer: Described) -> tuple[str, dict[str, Any], int]:
    bins = int(layer["bins"])
    spline = networks.spline(bins, math.pi, "linear", slope=layer["slope"])
    return "spline", {**spline, "turn": "half"}, 3 * bins - 1


def _network(layer: Described) -> dict[str, Any]:
    """The activation of a network of u and a signal."""
    words = layer["network"]
    inner = words[1::2]
    if words[::2] != ["linear"] * len(words[::2]) or len(words) % 2 == 0 or len(words) < 3:
        raise ConversionError("its univariate network is not a plain chain of linear maps")
    if any(word != inner[0] or isinstance(word, (list, dict)) for word in inner):
        raise ConversionError("its univariate network has more than one kind of activation")
    return {"curve_activation": inner[0]}


def _monotone_network(layer: Described) -> tuple[str, dict[str, Any], int]:
    return "monotone_network", _network(layer), layer["signal"]


def _integrated_network(layer: Described) -> tuple[str, dict[str, Any], int]:
    attributes = {**_network(layer), "points": float(layer["points"]), "bound": 7.0}
    return "integrated_network", attributes, layer["signal"] + 1


def network_arrays(layer: Described, state: State) -> dict[str, Array]:
    """The arrays of a layer's univariate network, if it has one."""
    rising = layer.get("univariate") == "MNN"
    below = state.below("univariate.network" if rising else "univariate.integrand")
    arrays = {}
    for k in range((len(layer.get("network", ())) + 1) // 2):
        own = below.below(f"{2 * k}")
        weight, bias = own.take("weight"), own.take_if("bias")
        # zuko takes all weights by their magnitude, those of the signal too
        arrays[f"curve_weight_{k}"] = np.abs(weight) if rising else weight
        arrays[f"curve_bias_{k}"] = np.zeros(weight.shape[:-1]) if bias is None else bias
    return arrays


def _describe_network(network: Original) -> list[Any]:
    """The words of a univariate network, in the order of its modules."""
    words: list[Any] = []
    for module in network:
        kind = type(module).__name__
        if kind in ("Linear", "MonotonicLinear"):
            words.append("linear")
        elif kind == "TwoWayELU" and module.alpha == 1.0:
            words.append("two_way_elu")
        else:
            words.append(networks.describe_activation(module))
    return words


def _sum_of_squares(layer: Described) -> tuple[str, dict[str, Any], int]:
    polynomials, terms = layer["polynomials"], layer["terms"]
    attributes = {
        "polynomials": float(polynomials),
        "degree": float(terms - 1),
        "bound": layer.get("domain", 10.0),
        "slope": layer["slope"],
    }
    return "sum_of_squares", attributes, polynomials * terms + 1


UNIVARIATES: Mapping[str, Univariate] = {
    "BoundedBernsteinTransform": Univariate(
        lambda part: {"parameters": math.prod(part.shapes[0])}, _bernstein
    ),
    "CircularRQSTransform": Univariate(
        lambda part: {"bins": math.prod(part.shapes[0])}, _circular_spline
    ),
    "GaussianizationTransform": Univariate(
        lambda part: {"components": math.prod(part.shapes[0])}, _gaussianization
    ),
    "MNN": Univariate(
        lambda part: {
            "signal": math.prod(part.shapes[0]),
            "network": _describe_network(part.univariate.network),
        },
        _monotone_network,
    ),
    "UMNN": Univariate(
        lambda part: {
            "signal": math.prod(part.shapes[0]),
            "points": 32,
            "network": _describe_network(part.univariate.integrand),
        },
        _integrated_network,
    ),
    "ShiftedSOSPTransform": Univariate(
        lambda part: {"polynomials": int(part.shapes[0][0]), "terms": int(part.shapes[0][1])},
        _sum_of_squares,
    ),
}

SLOPED = ("CircularRQSTransform", "ShiftedSOSPTransform")
"""Those that have a smallest slope."""


# --- The original's own values ------------------------------------------------------------------


def refined(transform: Original, z: Tensor) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) at z with their exact first derivatives, z = transform(x)."""
    with torch.no_grad():
        guess = transform.inv(z.detach())
    return refinement.refined(transform.call_and_ladj, guess, z, GAUSSIANIZATIONS)
