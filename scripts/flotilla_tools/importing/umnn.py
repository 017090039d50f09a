# SPDX-License-Identifier: BSD-3-Clause
"""Unconstrained monotonic neural networks of nflows, which needs the package UMNN for them.

y = c + int_0^u (1 + elu(m)) dt, m a network of t and of what the conditioner says; the first number
that it says is c too.  UMNN integrates by Clenshaw and Curtis's rule, whose numbers it rounds to
single precision: the flow file has them as they are.
"""

from typing import Any

import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import (
    ConversionError,
    Described,
    Network,
    Original,
    State,
)


def describe(transformer: Original, cond_size: int) -> dict[str, Any]:
    """What the weights of a MonotonicNormalizer do not tell."""
    net = transformer.integrand_net
    inner = [type(module).__name__ for module in getattr(net, "net", [])]
    hidden = (len(inner) - 2) // 2
    if inner != [*["Linear", "ReLU"] * hidden, "Linear", "ELUPlus"] or hidden < 1:
        raise ConversionError(f"its integrand {type(net).__name__} is no IntegrandNet of nflows")
    return {"cond_size": int(cond_size), "nb_steps": int(transformer.nb_steps)}


def _rule(steps: int) -> tuple[Array, Array]:
    """Nodes and weights for [0, 1], as UMNN has them: in single precision, and with the last cosine
    of an even rule counted in full where Clenshaw and Curtis count half of it."""
    k = np.arange(steps + 1)
    angle = np.pi * k / steps
    sums = np.ones(steps + 1)
    for j in range(1, steps // 2 + 1):
        sums -= 2.0 / (4.0 * j * j - 1.0) * np.cos(2.0 * j * angle)
    weights = np.where((k == 0) | (k == steps), 1.0, 2.0) / steps * sums
    nodes = np.cos(angle).astype(np.float32) + np.float32(1.0)
    return 0.5 * nodes.astype(np.float64), 0.5 * weights.astype(np.float32).astype(np.float64)


def rows(layer: Described, net: Network, coordinates: int) -> None:
    """The signal of every coordinate, then its constant."""
    size = int(layer["cond_size"])
    if len(net.linears[-1][1]) != size * coordinates:
        raise ConversionError(
            f"its conditioner has {len(net.linears[-1][1])} outputs where {coordinates} signals of "
            f"{size} numbers have {size * coordinates}"
        )
    net.keep_outputs(networks.by_parameter(coordinates, size, [*range(size), 0]))


def attributes(layer: Described) -> dict[str, Any]:
    points = float(layer["nb_steps"] + 1)
    return {"curve_activation": "relu", "integrand": "shifted_elu", "points": points}


def with_integrand(record: LayerRecord, layer: Described, state: State) -> LayerRecord:
    """A layer with the arrays of its integrand."""
    nodes, weights = _rule(int(layer["nb_steps"]))
    arrays: dict[str, Array] = {**record.arrays, "nodes": nodes, "weights": weights}
    below, k = state.below("transformer.integrand_net.net"), 0
    while below.has_below(str(2 * k)):
        linear = below.below(str(2 * k))
        arrays[f"curve_weight_{k}"] = linear.take("weight")
        arrays[f"curve_bias_{k}"] = linear.take("bias")
        k += 1
    return record._replace(arrays=arrays)
