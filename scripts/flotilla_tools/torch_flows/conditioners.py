# SPDX-License-Identifier: BSD-3-Clause
"""The conditioners of normalizing flows as PyTorch modules.

A conditioner maps [draw x input] to the parameters theta of a coordinate map, [draw x parameter x
coordinate] flattened.  It converts to the attributes and arrays of a layer's record and back.
"""

from typing import Any, Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import FlowFileError, LayerRecord

Entries = tuple[dict[str, Any], dict[str, Array]]
"""What a conditioner writes into the record of its layer: attributes, arrays."""

Image = tuple[int, int, int]
"""Channels, rows, columns."""

ACTIVATIONS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "tanh": lambda h, net: torch.tanh(h),
    "relu": lambda h, net: torch.relu(h),
    "leaky_relu": lambda h, net: F.leaky_relu(h, net.negative_slope),
    "silu": lambda h, net: F.silu(h),
    "elu": lambda h, net: F.elu(h, net.alpha),
    "sigmoid": lambda h, net: torch.sigmoid(h),
    "softplus": lambda h, net: F.softplus(h),
    "gelu": lambda h, net: F.gelu(h),
}


def per_unit(values: Tensor, h: Tensor) -> Tensor:
    """Values [unit], shaped to multiply h [draw x unit] or [draw x channel x row x column]."""
    return values.reshape(-1, *(1,) * (h.ndim - 2))


def linear_map(inputs: int, outputs: int, kernel: tuple[int, int] | None = None) -> nn.Module:
    """A linear map, or with a `kernel` (rows, columns) a convolution that keeps the image's
    size."""
    if kernel is None:
        return nn.Linear(inputs, outputs)
    return nn.Conv2d(inputs, outputs, kernel, padding=tuple(size // 2 for size in kernel))


def linear_maps(widths: Sequence[int], kernels: Sequence[tuple[int, int]]) -> nn.ModuleList:
    """The maps between layers of these widths, [in, hidden ..., out]; see `Conditioner`."""
    pairs = list(zip(widths[:-1], widths[1:]))
    every = kernels if kernels else len(pairs) * (None,)
    return nn.ModuleList(linear_map(a, b, kernel) for (a, b), kernel in zip(pairs, every))


class ContextTerm(nn.Module):
    """The effect of a context c on the output h of a linear map: h + act(W c + b), times a gate.

    `add` is (weight, bias or None, activation or None), `gate` (weight, bias or None) of a sigmoid;
    either may be None.
    """

    def __init__(
        self, add: tuple[Any, ...] | None = None, gate: tuple[Any, ...] | None = None
    ) -> None:
        super().__init__()
        self.activation = add[2] if add else None
        for name, pair in (("context", add), ("gate", gate)):
            weight, bias = pair[:2] if pair else (None, None)
            self.register_buffer(f"{name}_weight", weight)
            self.register_buffer(f"{name}_bias", bias)

    def _map(self, name: str, context: Any) -> Tensor:
        return F.linear(context, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))

    def forward(self, h: Tensor, context: Any, net: Any) -> Tensor:
        if self.context_weight is not None:
            term = self._map("context", context)
            term = ACTIVATIONS[self.activation](term, net) if self.activation else term
            h = h + per_unit(term, h)
        if self.gate_weight is not None:
            h = h * per_unit(torch.sigmoid(self._map("gate", context)), h)
        return h

    def entries(self, k: int) -> Entries:
        """attributes, arrays of linear map k."""
        attributes = {f"context_activation_{k}": self.activation} if self.activation else {}
        arrays = {f"{name}_{k}": array.numpy() for name, array in self.named_buffers()}
        return attributes, arrays

    @classmethod
    def from_record(cls, record: LayerRecord, k: int) -> "ContextTerm | None":
        """The term of linear map k; None where it has none."""

        def array(name: str) -> Tensor | None:
            found = record.arrays.get(f"{name}_{k}")
            return None if found is None else torch.from_numpy(found)

        add, gate = array("context_weight"), array("gate_weight")
        if add is None and gate is None:
            return None
        activation = record.attributes.get(f"context_activation_{k}")
        return cls(
            None if add is None else (add, array("context_bias"), activation),
            None if gate is None else (gate, array("gate_bias")),
        )


class _Contextual(nn.Module):
    """A conditioner whose linear maps, `maps`, may each have a context term."""

    def __init__(self) -> None:
        super().__init__()
        self.terms = nn.ModuleDict()
        self.register_buffer("context", None)

    def _linear(self, k: int, h: Tensor) -> Tensor:
        h = self.maps[k](h)
        if str(k) not in self.terms:
            return h
        return self.terms[str(k)](h, self.context.to(h), self)

    def _context_entries(self) -> Entries:
        attributes, arrays = {}, {}
        for k, term in self.terms.items():
            more = term.entries(k)
            attributes.update(more[0])
            arrays.update(more[1])
        return attributes, arrays


class Conditioner(_Contextual):
    """The network of a coupling layer: linear maps, with an activation after each but the last.

    `widths` lists the sizes [in, hidden ..., out].  With `kernels`, the [(rows, columns), ...] of
    convolutions, they count channels.  The last map starts at zero, so that an untrained coupling
    layer is the identity.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: str = "tanh",
        negative_slope: float = 0.01,
        alpha: float = 1.0,
        kernels: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise FlowFileError(
                f"expected an activation among {', '.join(ACTIVATIONS)}, found '{activation}'"
            )
        self.activation = activation
        self.negative_slope = negative_slope
        self.alpha = alpha
        self.maps = linear_maps(widths, kernels)
        nn.init.zeros_(self.maps[-1].weight)
        nn.init.zeros_(self.maps[-1].bias)

    def forward(self, h: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.activation]
        for k in range(len(self.maps) - 1):
            h = activate(self._linear(k, h), self)
        return self._linear(len(self.maps) - 1, h)

    def record(self) -> Entries:
        """The entries of this conditioner in a layer: attributes, arrays."""
        attributes: dict[str, Any] = {"activation": self.activation}
        if self.activation == "leaky_relu":
            attributes["negative_slope"] = float(self.negative_slope)
        if self.activation == "elu":
            attributes["alpha"] = float(self.alpha)
        more = self._context_entries()
        return {**attributes, **more[0]}, {**_linear_arrays(self.maps), **more[1]}


def _linear_arrays(maps: Iterable[Any]) -> dict[str, Array]:
    arrays = {}
    for k, linear in enumerate(maps):
        arrays[f"weight_{k}"] = linear.weight.detach().numpy()
        arrays[f"bias_{k}"] = linear.bias.detach().numpy()
    return arrays


class Program(_Contextual):
    """A conditioner given by a program: linear maps, activations, scales and residual sums.

    `network` is the program, as flow files have it: "linear ( tanh linear ) linear".  `widths` and
    `kernels` are those of `Conditioner`.
    """

    def __init__(
        self,
        network: str,
        widths: Sequence[int],
        negative_slope: float = 0.01,
        alpha: float = 1.0,
        epsilon: float = 1e-5,
        kernels: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.words = network.split(" ")
        self.negative_slope = negative_slope
        self.alpha = alpha
        self.epsilon = epsilon
        self.maps = linear_maps(widths, kernels)
        self.norms = nn.ParameterList()
        mapped = 0
        for word in self.words:
            mapped += word == "linear"
            if word in ("affine", "layer_norm"):
                self.norms.append(nn.Parameter(torch.ones(widths[mapped])))
                self.norms.append(nn.Parameter(torch.zeros(widths[mapped])))
            elif word == "sine":
                count = sum(name.startswith("sine_") for name, _ in self.named_buffers())
                self.register_buffer(f"sine_{count}", torch.zeros(widths[mapped]))

    def sines(self) -> list[Tensor]:
        """For each sine, 1 for a unit that takes its sine and 0 for another."""
        return [getattr(self, f"sine_{k}") for k in range(self.words.count("sine"))]

    def forward(self, h: Tensor) -> Tensor:
        maps, norms, kept = iter(range(len(self.maps))), iter(self.norms), None
        sines = iter(self.sines())
        for word in self.words:
            if word == "linear":
                h = self._linear(next(maps), h)
            elif word == "affine":
                h = per_unit(next(norms), h) * h + per_unit(next(norms), h)
            elif word == "layer_norm":
                centred = h - h.mean(dim=1, keepdim=True)
                variance = (centred * centred).mean(dim=1, keepdim=True)
                h = next(norms) * centred / torch.sqrt(variance + self.epsilon) + next(norms)
            elif word == "sine":
                h = torch.where(next(sines) != 0, torch.sin(h), h)
            elif word == "(":
                kept = h
            elif word == ")":
                h = h + kept
            else:
                h = ACTIVATIONS[word](h, self)
        return h

    def record(self) -> Entries:
        """The entries of this conditioner in a layer: attributes, arrays."""
        attributes: dict[str, Any] = {"network": " ".join(self.words)}
        numbers = {"leaky_relu": "negative_slope", "elu": "alpha", "layer_norm": "epsilon"}
        for word, name in numbers.items():
            if word in self.words:
                attributes[name] = float(getattr(self, name))
        arrays = _linear_arrays(self.maps)
        for k in range(len(self.norms) // 2):
            arrays[f"norm_scale_{k}"] = self.norms[2 * k].detach().numpy()
            arrays[f"norm_shift_{k}"] = self.norms[2 * k + 1].detach().numpy()
        for k, chosen in enumerate(self.sines()):
            arrays[f"sine_{k}"] = chosen.numpy().astype(np.int8)
        more = self._context_entries()
        return {**attributes, **more[0]}, {**arrays, **more[1]}


class Convolutional(nn.Module):
    """A conditioner of convolutions between coordinates that lie on an image.

    `image` is (channels, rows, columns).  `kept` lists the coordinates that it sees, `moved` those
    that its outputs are for: whole channels, or the same pixels of every channel.  Hidden pixels
    are zeros to it.  `net` maps images to images.
    """

    def __init__(self, net: Any, image: Any, kept: Any, moved: Any, parameters: int) -> None:
        super().__init__()
        self.net, self.image, self.parameters = net, image_shape(image), parameters
        self.by_channel = of_whole_channels(kept, self.image)
        self.register_buffer("kept", torch.as_tensor(kept))
        self.register_buffer("moved", torch.as_tensor(moved))

    def forward(self, h: Tensor) -> Tensor:
        channels, rows, columns = self.image
        if not self.by_channel:
            h = h.new_zeros(len(h), channels * rows * columns).index_copy(1, self.kept, h)
        h = h.reshape(len(h), -1, rows, columns).contiguous(memory_format=torch.channels_last)
        h = self.net(h).contiguous()
        if self.by_channel:
            return h.flatten(1)
        return h.reshape(len(h), self.parameters, -1)[:, :, self.moved].flatten(1)

    def record(self) -> Entries:
        attributes, arrays = self.net.record()
        return attributes, {**arrays, "image": np.array(self.image)}


def image_shape(sizes: Iterable[int]) -> Image:
    """(channels, rows, columns) as plain numbers."""
    channels, rows, columns = (int(size) for size in sizes)
    return channels, rows, columns


def of_whole_channels(coordinates: Any, image: Image) -> bool:
    """Whether these are all the pixels of some channels of the image (channels, rows, columns)."""
    pixels = image[1] * image[2]
    seen = np.bincount(np.asarray(coordinates) // pixels, minlength=image[0])
    return bool(np.all((seen == 0) | (seen == pixels)))


def conditioner_from_record(
    record: LayerRecord, kept: Any, moved: Any, parameters: int
) -> nn.Module:
    """The conditioner of a coupling or an autoregressive layer.  From the coordinates `kept` it
    computes `parameters` numbers for each of the coordinates `moved`."""
    if "image" not in record.arrays:
        return _network_from_record(record, len(kept), parameters * len(moved))
    image = image_shape(record.arrays["image"])
    inputs = outputs = image[0]
    if of_whole_channels(kept, image):
        pixels = image[1] * image[2]
        inputs, outputs = len(kept) // pixels, len(moved) // pixels
    net = _network_from_record(record, inputs, parameters * outputs)
    return Convolutional(net, image, kept, moved, parameters)


def _network_from_record(record: LayerRecord, inputs: int, outputs: int) -> nn.Module:
    arrays = record.arrays
    weights = [arrays[f"weight_{k}"] for k in range(_count_maps(record))]
    widths = [inputs] + [len(weight) for weight in weights]
    expect(record, widths[-1] == outputs, f"{outputs} outputs of the conditioner")
    names = ("activation", "network", "negative_slope", "alpha", "epsilon")
    options = {name: record.attributes[name] for name in names if name in record.attributes}
    kernels = [weight.shape[2:] for weight in weights] if "image" in arrays else ()
    net = (Program if "network" in options else Conditioner)(
        widths=widths, kernels=kernels, **options
    )
    for k, linear in enumerate(net.maps):
        shape = tuple(linear.weight.shape)
        weight, bias = arrays[f"weight_{k}"], arrays[f"bias_{k}"]
        expect(record, weight.shape == shape, f"weight_{k} of shape {shape}")
        expect(record, bias.shape == shape[:1], f"bias_{k} of shape {shape[:1]}")
        # Keep the file's precision: double weights must not pass through float.
        linear.weight = nn.Parameter(torch.from_numpy(weight))
        linear.bias = nn.Parameter(torch.from_numpy(bias))
        term = ContextTerm.from_record(record, k)
        if term is not None:
            net.terms[str(k)] = term
    for k in range(len(getattr(net, "norms", ())) // 2):
        net.norms[2 * k] = nn.Parameter(torch.from_numpy(arrays[f"norm_scale_{k}"]))
        net.norms[2 * k + 1] = nn.Parameter(torch.from_numpy(arrays[f"norm_shift_{k}"]))
    for name, array in arrays.items():
        if name.startswith("sine_"):
            setattr(net, name, torch.from_numpy(array))
    return net


def _count_maps(record: LayerRecord) -> int:
    return sum(name.startswith("weight_") for name in record.arrays)


def expect(record: LayerRecord, holds: Any, what: str) -> None:
    if not holds:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in record.arrays.items())
        raise FlowFileError(f"expected {what}, found {shapes}; export the flow again")
