# SPDX-License-Identifier: BSD-3-Clause
"""Residual flows of normflows (Residual, iResBlock): contractions with their norms divided out.

normflows estimates the log det of a block, but in two dimensions.  Flow files have the exact one,
which the estimate has as its mean.
"""

from typing import Any, Mapping, Sequence

import numpy as np

from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import (
    ConversionError,
    Described,
    Network,
    Original,
    State,
)
from flotilla_tools.torch_flows.layers import Inverted, Layer, Residual

LIPSWISH = 1.1
"""normflows divides x sigmoid(b x) by this, so that its slope stays below 1."""


def describe(flow: Original) -> dict[str, Any]:
    """The network of a block: "lipswish", other activations, and of each linear map the largest
    norm that it may have."""
    net = flow.iresblock.nnet
    kind = type(net).__name__
    if kind not in ("LipschitzMLP", "Sequential"):
        raise ConversionError(f"its network {kind} is no normflows.nets.LipschitzMLP")
    words: list[Any] = []
    for module in net.net if kind == "LipschitzMLP" else net:
        name = type(module).__name__
        if name == "InducedNormLinear":
            words.append({"norm": float(module.coeff)})
        else:
            words.append("lipswish" if name == "Swish" else networks.describe_activation(module))
    return {"reverse": bool(flow.reverse), "net": words, "of": kind}


def convert(layer: Described, state: State) -> list[LayerRecord]:
    """x = z + g(z), or with `reverse` its inverse."""
    block = state.below("iresblock")
    block.drop("geom_p", "lamb", "last_n_samples", "last_firmom", "last_secmom")
    below = block.below("nnet.net" if layer.get("of", "LipschitzMLP") == "LipschitzMLP" else "nnet")
    net = _contraction(layer["net"], below, layer["dim"])
    record = LayerRecord("residual", *net.entries())
    return networks.inverted([record]) if layer.get("reverse", True) else [record]


def _contraction(words: Sequence[Any], state: State, dim: int) -> Network:
    """x sigmoid(b x) / 1.1 becomes silu between linear maps that are scaled."""
    net, scale = Network(), 1.0
    for k, word in enumerate(words):
        below = state.below(str(k))
        if isinstance(word, Mapping):
            net.linear(scale * _with_norm(below, word["norm"]), below.take_if("bias"))
            scale = 1.0
            continue
        if not net.words or net.words[-1] != "linear":
            net.linear(scale * np.eye(dim if not net.linears else len(net.linears[-1][1])), None)
            scale = 1.0
        if word != "lipswish":
            net.activation(word)
            continue
        raw = float(below.take("beta").reshape(()))
        rate = raw if raw > 20.0 else float(np.log1p(np.exp(raw)))  # softplus, as PyTorch has it
        net.linears[-1] = [rate * array for array in net.linears[-1]]
        net.activation("silu")
        scale = 1.0 / (LIPSWISH * rate)
    if not net.words or net.words[-1] != "linear":
        net.linear(scale * np.eye(dim), None)
    return net


def _with_norm(state: State, largest: float) -> Any:
    """The weight as the library uses it: its norm, from the vectors of its power iteration, is
    brought down to the largest that it may have."""
    weight = state.take("weight")
    norm = float(state.take("u") @ weight @ state.take("v"))
    state.drop("scale")
    return weight / max(1.0, norm / largest)


def exact(flow: Original) -> Layer:
    """A block with the library's own network, its exact log det, and an inverse that stops only at
    rounding."""
    block = Residual(flow.iresblock.nnet)
    return Inverted(block) if flow.reverse else block
