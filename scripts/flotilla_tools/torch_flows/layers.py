# SPDX-License-Identifier: BSD-3-Clause
"""The layers of normalizing flows as PyTorch modules, one class for each type of a flow file.

Each has forward(z) -> (x, log_det) and inverse(x) -> (z, log_det).  log_det is always that of the
sampling direction.  Each converts to a LayerRecord and back.  Arrays are [draw x coordinate].  The
parameters theta of a coordinate map are [draw x parameter x coordinate].
"""

import math

from typing import Any, Callable, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.torch_flows.conditioners import conditioner_from_record, expect, image_shape
from flotilla_tools.torch_flows.curves import CURVES

Mapped = tuple[Tensor, Tensor]
"""Points [draw x coordinate] and log determinants [draw]; of a coordinate map, values and log
slopes, both [draw x coordinate]."""


class Layer(nn.Module):
    """The interface of layers."""

    type: str

    def forward(self, z: Tensor) -> Mapped:
        """(x, log_det)"""
        raise NotImplementedError

    def inverse(self, x: Tensor) -> Mapped:
        """(z, log_det). log_det is that of the sampling direction."""
        raise NotImplementedError

    def record(self) -> LayerRecord:
        """The layer as a flow file holds it."""
        raise NotImplementedError

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Layer":
        """The layer of a record, in the precision of its arrays."""
        raise NotImplementedError


class CoordinateMap(Protocol):
    """A monotone map of each coordinate, y = g(u; theta)."""

    kind: str

    @property
    def parameters(self) -> int:
        """The number of parameters per coordinate."""

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        """(y, log slope)"""

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        """(u, log slope). The slope is that of forward."""

    def attributes(self) -> dict[str, Any]:
        """The map's attributes in a record."""


class AdditiveMap:
    """y = u + t.  Dinh, Krueger & Bengio (2014), "NICE"."""

    kind = "additive"
    parameters = 1

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        return u + theta[:, 0], torch.zeros_like(u)

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        return y - theta[:, 0], torch.zeros_like(y)

    def attributes(self) -> dict[str, Any]:
        return {}


class AffineMap:
    """y = u scale(s) + t, or (u + t) scale(s) with shift "before"."""

    kind = "affine"
    parameters = 2
    offset: float
    floor: float
    bound: Any
    lowest: Any
    highest: Any
    ceiling: float
    SCALES: dict[str, Callable[[Tensor, "AffineMap"], Tensor]] = {
        "exp": lambda s, m: s,
        "sigmoid": lambda s, m: torch.log(torch.sigmoid(s + m.offset) + m.floor),
        "reciprocal_sigmoid": lambda s, m: -F.logsigmoid(s + m.offset),
        "tanh": lambda s, m: m.bound * torch.tanh(s),
        "softclip": lambda s, m: s / (1.0 + torch.abs(s / m.bound)),
        "softplus": lambda s, m: torch.log(
            (F.softplus(s + m.offset) + m.floor).clamp(max=m.ceiling)
        ),
        "arctan": lambda s, m: m.bound * torch.atan(s),
        "clamp": lambda s, m: s.clamp(m.lowest, m.highest),
    }
    NUMBERS: dict[str, tuple[str, ...]] = {
        "exp": (),
        "sigmoid": ("offset", "floor"),
        "reciprocal_sigmoid": ("offset",),
        "tanh": ("bound",),
        "softclip": ("bound",),
        "softplus": ("offset", "floor"),
        "arctan": ("bound",),
        "clamp": ("lowest", "highest"),
    }

    def __init__(
        self,
        scale: str = "exp",
        shift: str = "after",
        offset: float | None = None,
        floor: float = 0.0,
        bound: float | None = None,
        lowest: float | None = None,
        highest: float | None = None,
        ceiling: float = math.inf,
    ) -> None:
        self.scale, self.shift, self.floor, self.bound = scale, shift, floor, bound
        self.lowest, self.highest, self.ceiling = lowest, highest, ceiling
        self.offset = offset if offset is not None else (0.0 if scale == "softplus" else 2.0)

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        log_scale = self.SCALES[self.scale](theta[:, 0], self)
        if self.shift == "before":
            return (u + theta[:, 1]) * torch.exp(log_scale), log_scale
        return u * torch.exp(log_scale) + theta[:, 1], log_scale

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        log_scale = self.SCALES[self.scale](theta[:, 0], self)
        if self.shift == "before":
            return y * torch.exp(-log_scale) - theta[:, 1], log_scale
        return (y - theta[:, 1]) * torch.exp(-log_scale), log_scale

    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: float(getattr(self, name)) for name in self.NUMBERS[self.scale]
        }
        if self.scale != "exp":
            found["scale"] = self.scale
        if self.ceiling < math.inf:
            found["ceiling"] = float(self.ceiling)
        if self.shift != "after":
            found["shift"] = self.shift
        return found


class SplineMap:
    """A monotone rational-quadratic spline on centre + [-bound, bound], the identity outside.

    Durkan, Bekasov, Murray & Papamakarios (2019), "Neural spline flows".
    """

    kind = "spline"

    def __init__(
        self,
        bins: float,
        bound: float,
        tails: str = "linear",
        parameterization: str = "softmax",
        min_width: float = 1e-3,
        min_height: float = 1e-3,
        min_derivative: float = 1e-3,
        slope: float = 1e-3,
        tail_slope: float = 1.0,
        turn: str = "none",
        centre: float = 0.0,
    ) -> None:
        self.low, self.high, self.centre = centre - bound, centre + bound, centre
        self.bins, self.bound, self.tails = int(bins), bound, tails
        self.tail_slope, self.turn = tail_slope, turn
        self.parameterization, self.slope = parameterization, slope
        self.min_width, self.min_height, self.min_derivative = min_width, min_height, min_derivative

    @property
    def parameters(self) -> int:
        return 3 * self.bins + {"linear": -1, "circular": 0, "free": 1}[self.tails]

    def _knots(self, raw: Tensor, smallest: float) -> Tensor:
        if self.parameterization == "softclip":
            raw = raw / (1.0 + torch.abs(2.0 * raw / math.log(self.slope)))
            smallest = 0.0
        shares = smallest + (1.0 - self.bins * smallest) * torch.softmax(raw, dim=1)
        inner = self.low + 2.0 * self.bound * torch.cumsum(shares, dim=1)[:, :-1]
        low, high = (torch.full_like(raw[:, :1], end) for end in (self.low, self.high))
        return torch.cat([low, inner, high], dim=1)

    def _slopes(self, raw: Tensor) -> Tensor:
        if self.parameterization == "softclip":
            slopes = torch.exp(raw / (1.0 + torch.abs(raw / math.log(self.slope))))
        else:
            slopes = self.min_derivative + F.softplus(raw)
        if self.tails == "circular":
            return torch.cat([slopes, slopes[:, :1]], dim=1)
        if self.tails == "free":
            return slopes
        end = raw.new_full((len(raw), 1, raw.shape[2]), self.tail_slope)
        return torch.cat([end, slopes, end], dim=1)

    def _bin(self, value: Tensor, theta: Tensor, by_height: bool) -> tuple[Tensor, ...]:
        """left, width, bottom, height, slopes of the bin that each value falls into."""
        widths, heights, raw = torch.split(
            theta, [self.bins, self.bins, theta.shape[1] - 2 * self.bins], dim=1
        )
        x, y = self._knots(widths, self.min_width), self._knots(heights, self.min_height)
        knots = (y if by_height else x)[:, 1:-1]
        place = (value.unsqueeze(1) >= knots).sum(dim=1, keepdim=True)

        def at(values: Tensor, shift: int = 0) -> Tensor:
            return values.gather(1, place + shift).squeeze(1)

        d = self._slopes(raw)
        return (
            at(x),
            at(x, 1) - at(x),
            at(y),
            at(y, 1) - at(y),
            at(d),
            at(d, 1),
        )

    @staticmethod
    def _log_slope(xi: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
        rest = 1.0 - xi
        rising = d1 * xi**2 + 2.0 * s * xi * rest + d0 * rest**2
        return torch.log(s**2 * rising) - 2.0 * torch.log(s + (d0 + d1 - 2.0 * s) * xi * rest)

    def _turned(self, u: Tensor) -> Tensor:
        """Half way round a circle, into [-bound, bound), if the map says so."""
        return torch.remainder(u, 2.0 * self.bound) - self.bound if self.turn == "half" else u

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        u = self._turned(u)
        inside = (u >= self.low) & (u <= self.high)
        clamped = u.clamp(self.low, self.high)
        left, width, bottom, height, d0, d1 = self._bin(clamped, theta, False)
        xi, s = (clamped - left) / width, height / width
        q = xi * (1.0 - xi)
        y = bottom + height * (s * xi**2 + d0 * q) / (s + (d0 + d1 - 2.0 * s) * q)
        log_slope = self._log_slope(xi, s, d0, d1)
        return torch.where(inside, y, u), torch.where(inside, log_slope, torch.zeros_like(u))

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        inside = (y >= self.low) & (y <= self.high)
        clamped = y.clamp(self.low, self.high)
        left, width, bottom, height, d0, d1 = self._bin(clamped, theta, True)
        s, rise = height / width, clamped - bottom
        bend = rise * (d0 + d1 - 2.0 * s)
        a, b, c = bend + height * (s - d0), height * d0 - bend, -s * rise
        root = torch.sqrt(torch.clamp(b**2 - 4.0 * a * c, min=0.0))
        stable = torch.where(b < 0.0, 2.0 * a, -b - root)
        xi = torch.where(b < 0.0, root - b, 2.0 * c) / stable
        log_slope = self._log_slope(xi, s, d0, d1)
        u = self._turned(torch.where(inside, left + xi * width, y))
        return u, torch.where(inside, log_slope, torch.zeros_like(y))

    def attributes(self) -> dict[str, Any]:
        found = {
            "bins": float(self.bins),
            "bound": float(self.bound),
            "tails": self.tails,
            "parameterization": self.parameterization,
        }
        if self.tail_slope != 1.0:
            found["tail_slope"] = float(self.tail_slope)
        if self.turn != "none":
            found["turn"] = self.turn
        if self.centre != 0.0:
            found["centre"] = float(self.centre)
        if self.parameterization == "softclip":
            return {**found, "slope": float(self.slope)}
        names = ("min_width", "min_height", "min_derivative")
        return {**found, **{name: float(getattr(self, name)) for name in names}}


_EVERY_MAP: tuple[type[CoordinateMap], ...] = (AdditiveMap, AffineMap, SplineMap, *CURVES)
MAPS: dict[str, Callable[..., CoordinateMap]] = {one.kind: one for one in _EVERY_MAP}


def _map_from_record(record: LayerRecord) -> CoordinateMap:
    conditioner = ("activation", "network", "negative_slope", "alpha", "epsilon")
    options = {
        name: value
        for name, value in record.attributes.items()
        if name not in conditioner and not name.startswith("context_activation_")
    }
    own = ("nodes", "weights")
    arrays = {
        name: array
        for name, array in record.arrays.items()
        if name.startswith("curve_") or name in own
    }
    return MAPS[record.type.rsplit("_", 1)[0]](**options, **arrays)


def _map_arrays(coordinate_map: CoordinateMap) -> dict[str, Any]:
    """The arrays of a map that has its own."""
    own: dict[str, Any] = getattr(coordinate_map, "arrays", dict)()
    return own


class Coupling(Layer):
    """x_a = z_a, x_b = g(z_b; theta(z_a)); a where `mask` is 1, b where it is 0."""

    def __init__(self, mask: Any, coordinate_map: CoordinateMap, conditioner: Any) -> None:
        super().__init__()
        self.type = f"{coordinate_map.kind}_coupling"
        mask = torch.as_tensor(mask).bool()
        kept, moved = torch.where(mask)[0], torch.where(~mask)[0]
        self.register_buffer("kept", kept)
        self.register_buffer("moved", moved)
        self.register_buffer("order", torch.argsort(torch.cat([kept, moved])))
        self.map = coordinate_map
        self.conditioner = conditioner

    def _through(self, points: Tensor, apply: Callable[..., Mapped]) -> Mapped:
        kept = points[:, self.kept]
        theta = self.conditioner(kept).reshape(len(points), self.map.parameters, -1)
        moved, log_slope = apply(points[:, self.moved], theta)
        return torch.cat([kept, moved], dim=1)[:, self.order], log_slope.sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        return self._through(z, self.map.forward)

    def inverse(self, x: Tensor) -> Mapped:
        return self._through(x, self.map.inverse)

    def record(self) -> LayerRecord:
        attributes, arrays = self.conditioner.record()
        mask = np.zeros(len(self.order), dtype=np.int8)
        mask[self.kept.numpy()] = 1
        return LayerRecord(
            self.type,
            {**self.map.attributes(), **attributes},
            {**arrays, **_map_arrays(self.map), "mask": mask},
        )

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Coupling":
        coordinate_map, mask = _map_from_record(record), np.asarray(record.arrays["mask"])
        kept, moved = np.flatnonzero(mask == 1), np.flatnonzero(mask == 0)
        net = conditioner_from_record(record, kept, moved, coordinate_map.parameters)
        if coordinate_map.kind == "affine" and not coordinate_map.attributes():
            return AffineCoupling(mask, net)
        return cls(mask, coordinate_map, net)


class AffineCoupling(Coupling):
    """x_b = z_b exp(s(z_a)) + t(z_a): the coupling that train_flow.py trains.

    Dinh, Sohl-Dickstein & Bengio (2017), "Density estimation using Real NVP".
    """

    def __init__(self, mask: Any, conditioner: Any) -> None:
        super().__init__(mask, AffineMap(), conditioner)


class Autoregressive(Layer):
    """x_i = g(z_i; theta_i(z)), theta_i a function of the coordinates before i in `order` alone."""

    def __init__(self, order: Any, coordinate_map: CoordinateMap, conditioner: Any) -> None:
        super().__init__()
        self.type = f"{coordinate_map.kind}_autoregressive"
        self.register_buffer("sequence", torch.argsort(torch.as_tensor(order)))
        self.map = coordinate_map
        self.conditioner = conditioner

    def _theta(self, z: Tensor) -> Tensor:
        return self.conditioner(z).reshape(len(z), self.map.parameters, -1)

    def forward(self, z: Tensor) -> Mapped:
        x, log_slope = self.map.forward(z, self._theta(z))
        return x, log_slope.sum(dim=1)

    def inverse(self, x: Tensor) -> Mapped:
        z = torch.zeros_like(x)
        for i in self.sequence.tolist():
            found, _ = self.map.inverse(x, self._theta(z))
            z = torch.cat([z[:, :i], found[:, i : i + 1], z[:, i + 1 :]], dim=1)
        return z, self.forward(z)[1]

    def record(self) -> LayerRecord:
        attributes, arrays = self.conditioner.record()
        order = torch.argsort(self.sequence).numpy()
        return LayerRecord(
            self.type,
            {**self.map.attributes(), **attributes},
            {**arrays, **_map_arrays(self.map), "order": order},
        )

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Autoregressive":
        coordinate_map, order = _map_from_record(record), record.arrays["order"]
        dim = len(order)
        expect(record, np.array_equal(np.sort(order), np.arange(dim)), "order to be a permutation")
        every = np.arange(dim)
        net = conditioner_from_record(record, every, every, coordinate_map.parameters)
        return cls(order.astype(np.int64), coordinate_map, net)


class Inverted(Layer):
    """A layer used in the other direction: attribute direction = "inverse"."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, z: Tensor) -> Mapped:
        x, log_det = self.layer.inverse(z)
        return x, -log_det

    def inverse(self, x: Tensor) -> Mapped:
        z, log_det = self.layer(x)
        return z, -log_det

    def record(self) -> LayerRecord:
        return self.layer.record().with_attributes(direction="inverse")


class PerPixel(Layer):
    """The same layer at each of `pixels` pixels. Coordinates are channels of that many pixels."""

    def __init__(self, layer: Layer, pixels: float) -> None:
        super().__init__()
        self.layer, self.pixels = layer, int(pixels)

    def _through(self, points: Tensor, apply: Callable[..., Mapped]) -> Mapped:
        n, channels = len(points), points.shape[1] // self.pixels
        columns = points.reshape(n, channels, -1).transpose(1, 2).reshape(-1, channels)
        columns, log_det = apply(columns)
        points = columns.reshape(n, -1, channels).transpose(1, 2).reshape(n, -1)
        return points, log_det.reshape(n, -1).sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        return self._through(z, self.layer)

    def inverse(self, x: Tensor) -> Mapped:
        return self._through(x, self.layer.inverse)

    def record(self) -> LayerRecord:
        return self.layer.record().with_attributes(pixels=float(self.pixels))


class First(Layer):
    """A layer on the first `coordinates` coordinates alone; the others pass."""

    def __init__(self, layer: Layer, coordinates: float) -> None:
        super().__init__()
        self.layer, self.coordinates = layer, int(coordinates)

    def _through(self, points: Tensor, apply: Callable[..., Mapped]) -> Mapped:
        first, log_det = apply(points[:, : self.coordinates])
        return torch.cat([first, points[:, self.coordinates :]], dim=1), log_det

    def forward(self, z: Tensor) -> Mapped:
        return self._through(z, self.layer)

    def inverse(self, x: Tensor) -> Mapped:
        return self._through(x, self.layer.inverse)

    def record(self) -> LayerRecord:
        return self.layer.record().with_attributes(coordinates=float(self.coordinates))


def layer_from_record(record: LayerRecord) -> Layer:
    """The module of a record: per pixel, on the first coordinates, inverted, as the record says."""
    own = dict(record.attributes)
    pixels, coordinates = own.pop("pixels", None), own.pop("coordinates", None)
    inverse = own.pop("direction", "forward") == "inverse"
    layer = LAYERS[record.type].from_record(record._replace(attributes=own))
    if pixels is not None:
        layer = PerPixel(layer, pixels)
    if coordinates is not None:
        layer = First(layer, coordinates)
    return Inverted(layer) if inverse else layer


class Squeeze(Layer):
    """Turns every 2 x 2 block of pixels into four channels of one pixel: channel 4 c + 2 i + j of x
    holds row i, column j of the blocks of channel c of z.  `image` is the shape (channels, rows,
    columns) of z.

    Dinh, Sohl-Dickstein & Bengio (2017), "Density estimation using Real NVP", section 3.6.
    """

    type = "squeeze"

    def __init__(self, image: Any) -> None:
        super().__init__()
        self.image = image_shape(image)

    def forward(self, z: Tensor) -> Mapped:
        channels, rows, columns = self.image
        blocks = z.reshape(len(z), channels, rows // 2, 2, columns // 2, 2)
        return blocks.permute(0, 1, 3, 5, 2, 4).reshape(len(z), -1), z.new_zeros(len(z))

    def inverse(self, x: Tensor) -> Mapped:
        channels, rows, columns = self.image
        blocks = x.reshape(len(x), channels, 2, 2, rows // 2, columns // 2)
        return blocks.permute(0, 1, 4, 2, 5, 3).reshape(len(x), -1), x.new_zeros(len(x))

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {"image": np.array(self.image)})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Squeeze":
        return cls(record.arrays["image"])


class Permutation(Layer):
    """x[i] = z[indices[i]]."""

    type = "permutation"

    def __init__(self, indices: Any) -> None:
        super().__init__()
        indices = torch.as_tensor(indices, dtype=torch.int64)
        self.register_buffer("indices", indices)
        self.register_buffer("inverse_indices", torch.argsort(indices))

    def forward(self, z: Tensor) -> Mapped:
        return z[:, self.indices], z.new_zeros(len(z))

    def inverse(self, x: Tensor) -> Mapped:
        return x[:, self.inverse_indices], x.new_zeros(len(x))

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {"indices": self.indices.numpy()})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Permutation":
        indices = record.arrays["indices"]
        is_permutation = np.array_equal(np.sort(indices), np.arange(len(indices)))
        expect(record, is_permutation, "indices to be each of 0 ... dim - 1 once")
        return cls(indices)


class DiagonalAffine(Layer):
    """x = scale * z + shift, coordinate by coordinate. Not trained (buffers, not parameters)."""

    type = "diagonal_affine"

    def __init__(self, scale: Any, shift: Any) -> None:
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(scale))
        self.register_buffer("shift", torch.as_tensor(shift))

    def _log_det(self, like: Tensor) -> Tensor:
        return self.scale.abs().log().sum().expand(len(like))

    def forward(self, z: Tensor) -> Mapped:
        return self.scale * z + self.shift, self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        return (x - self.shift) / self.scale, self._log_det(x)

    def record(self) -> LayerRecord:
        return LayerRecord(
            self.type, {}, {"scale": self.scale.numpy(), "shift": self.shift.numpy()}
        )

    @classmethod
    def from_record(cls, record: LayerRecord) -> "DiagonalAffine":
        scale, shift = record.arrays["scale"], record.arrays["shift"]
        expect(record, scale.shape == shift.shape, "scale and shift of the same size")
        expect(record, np.all(scale != 0), "no scale to be zero")
        return cls(torch.from_numpy(scale), torch.from_numpy(shift))


class Linear(Layer):
    """x = W z + bias, W any invertible matrix."""

    type = "linear"

    def __init__(self, weight: Any, bias: Any) -> None:
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight))
        self.register_buffer("bias", torch.as_tensor(bias))

    def _log_det(self, like: Tensor) -> Tensor:
        return torch.linalg.slogdet(self.weight)[1].expand(len(like))

    def forward(self, z: Tensor) -> Mapped:
        return z @ self.weight.T + self.bias, self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        return (x - self.bias) @ torch.linalg.inv(self.weight).T, self._log_det(x)

    def record(self) -> LayerRecord:
        return LayerRecord(
            self.type, {}, {"weight": self.weight.numpy(), "bias": self.bias.numpy()}
        )

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Linear":
        weight, bias = record.arrays["weight"], record.arrays["bias"]
        expect(record, weight.shape == bias.shape * 2, "a square weight as large as the bias")
        return cls(torch.from_numpy(weight), torch.from_numpy(bias))


class LULinear(Layer):
    """x = L U z + bias, L lower triangular with ones on its diagonal, U upper triangular."""

    type = "lu_linear"

    def __init__(self, lower: Any, upper: Any, bias: Any) -> None:
        super().__init__()
        self.register_buffer("lower", torch.as_tensor(lower))
        self.register_buffer("upper", torch.as_tensor(upper))
        self.register_buffer("bias", torch.as_tensor(bias))

    def _log_det(self, like: Tensor) -> Tensor:
        return self.upper.diagonal().abs().log().sum().expand(len(like))

    def forward(self, z: Tensor) -> Mapped:
        return z @ (self.lower @ self.upper).T + self.bias, self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        y = torch.linalg.solve_triangular(self.lower, (x - self.bias).T, upper=False)
        return torch.linalg.solve_triangular(self.upper, y, upper=True).T, self._log_det(x)

    def record(self) -> LayerRecord:
        names = ("lower", "upper", "bias")
        return LayerRecord(self.type, {}, {name: getattr(self, name).numpy() for name in names})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "LULinear":
        lower, upper, bias = (record.arrays[name] for name in ("lower", "upper", "bias"))
        expect(record, np.array_equal(lower, np.tril(lower)), "a lower triangular matrix")
        expect(record, np.array_equal(upper, np.triu(upper)), "an upper triangular matrix")
        return cls(torch.from_numpy(lower), torch.from_numpy(upper), torch.from_numpy(bias))


class Planar(Layer):
    """x = z + u h(w.z + b), h = tanh or leaky relu.  Rezende & Mohamed (2015)."""

    type = "planar"

    def __init__(
        self, u: Any, w: Any, b: Any, activation: str = "tanh", negative_slope: float = 0.01
    ) -> None:
        super().__init__()
        self.register_buffer("u", torch.as_tensor(u))
        self.register_buffer("w", torch.as_tensor(w))
        self.b, self.activation, self.negative_slope = float(b), activation, negative_slope

    def _bend(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """h and its slope."""
        if self.activation == "tanh":
            h = torch.tanh(inputs)
            return h, 1.0 - h**2
        below = torch.full_like(inputs, self.negative_slope)
        slope = torch.where(inputs > 0.0, torch.ones_like(inputs), below)
        return slope * inputs, slope

    def forward(self, z: Tensor) -> Mapped:
        h, slope = self._bend(z @ self.w + self.b)
        return z + h[:, None] * self.u, torch.log1p(self.w @ self.u * slope)

    def inverse(self, x: Tensor) -> Mapped:
        """Bisection on a = w.z, then one Newton step that autograd can follow."""
        overlap, image = self.w @ self.u, x @ self.w
        with torch.no_grad():
            reach = 1.0 + overlap.abs() * (1.0 + image.abs() + abs(self.b))
            low, high = image - reach, image + reach
            for _ in range(200):
                a = 0.5 * (low + high)
                above = a + overlap * self._bend(a + self.b)[0] > image
                low, high = torch.where(above, low, a), torch.where(above, a, high)
        h, slope = self._bend(a + self.b)
        a = a - (a + overlap * h - image) / (1.0 + overlap * slope)
        z = x - self._bend(a + self.b)[0][:, None] * self.u
        return z, self.forward(z)[1]

    def record(self) -> LayerRecord:
        attributes = {"activation": self.activation, "b": self.b}
        if self.activation == "leaky_relu":
            attributes["negative_slope"] = float(self.negative_slope)
        return LayerRecord(self.type, attributes, {"u": self.u.numpy(), "w": self.w.numpy()})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Planar":
        u, w = (torch.from_numpy(record.arrays[name]) for name in ("u", "w"))
        expect(record, u.shape == w.shape, "u and w of the same size")
        return cls(u, w, **record.attributes)


class Radial(Layer):
    """x = z + beta / (alpha + r) (z - centre), r = |z - centre|.  Rezende & Mohamed (2015)."""

    type = "radial"

    def __init__(self, centre: Any, alpha: float, beta: float) -> None:
        super().__init__()
        self.register_buffer("centre", torch.as_tensor(centre))
        self.alpha, self.beta = float(alpha), float(beta)

    def forward(self, z: Tensor) -> Mapped:
        d = z - self.centre
        r = torch.linalg.vector_norm(d, dim=1)
        h = self.beta / (self.alpha + r)
        along = 1.0 + h - self.beta * r / (self.alpha + r) ** 2
        log_det = (z.shape[1] - 1) * torch.log1p(h) + torch.log(along)
        return z + h[:, None] * d, log_det

    def inverse(self, x: Tensor) -> Mapped:
        y = x - self.centre
        length = torch.linalg.vector_norm(y, dim=1)
        b = self.alpha + self.beta - length
        r = 0.5 * (torch.sqrt(b**2 + 4.0 * self.alpha * length) - b)
        z = self.centre + y / (1.0 + self.beta / (self.alpha + r))[:, None]
        return z, self.forward(z)[1]

    def record(self) -> LayerRecord:
        attributes = {"alpha": self.alpha, "beta": self.beta}
        return LayerRecord(self.type, attributes, {"centre": self.centre.numpy()})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Radial":
        alpha, beta = record.attributes["alpha"], record.attributes["beta"]
        return cls(torch.from_numpy(record.arrays["centre"]), alpha, beta)


class Sylvester(Layer):
    """x = z + Q R tanh(S Q^T z + b), R and S upper triangular.  van den Berg et al. (2018).

    Q has the first columns of H_n ... H_1, the reflections that turn the rows of `vectors` round.
    """

    type = "sylvester"
    ARRAYS = ("vectors", "r", "s", "b")

    def __init__(self, vectors: Any, r: Any, s: Any, b: Any) -> None:
        super().__init__()
        for name, array in zip(self.ARRAYS, (vectors, r, s, b)):
            self.register_buffer(name, torch.as_tensor(array))

    @property
    def q(self) -> Tensor:
        columns = torch.eye(self.vectors.shape[1], len(self.b)).to(self.vectors)
        for v in self.vectors:
            columns = columns - 2.0 * torch.outer(v, v @ columns) / (v @ v)
        return columns

    def forward(self, z: Tensor) -> Mapped:
        h = torch.tanh(z @ self.q @ self.s.T + self.b)
        overlap = self.r.diagonal() * self.s.diagonal()
        log_det = torch.log1p(overlap * (1.0 - h**2)).sum(dim=1)
        return z + h @ self.r.T @ self.q.T, log_det

    def inverse(self, x: Tensor) -> Mapped:
        """Unit by unit: bisection, then one Newton step that autograd can follow."""
        image = x @ self.q
        bends: list[Tensor] = []
        units: list[Tensor] = []
        for i in reversed(range(len(self.b))):
            shift, known = self.b[i] + 0.0 * image[:, i], image[:, i]
            for u, h, j in zip(units, bends, reversed(range(i + 1, len(self.b)))):
                shift, known = shift + self.s[i, j] * u, known - self.r[i, j] * h
            u = self._solve(self.r[i, i], self.s[i, i], shift, known)
            units.append(u)
            bends.append(torch.tanh(self.s[i, i] * u + shift))
        h = torch.stack(bends[::-1], dim=1)
        z = x - h @ self.r.T @ self.q.T
        return z, self.forward(z)[1]

    @staticmethod
    def _solve(r: Tensor, s: Tensor, shift: Tensor, known: Tensor) -> Tensor:
        with torch.no_grad():
            low, high = known - r.abs(), known + r.abs()
            for _ in range(100):
                u = 0.5 * (low + high)
                above = u + r * torch.tanh(s * u + shift) > known
                low, high = torch.where(above, low, u), torch.where(above, u, high)
        h = torch.tanh(s * u + shift)
        return u - (u + r * h - known) / (1.0 + r * s * (1.0 - h**2))

    def record(self) -> LayerRecord:
        arrays = {name: getattr(self, name).numpy() for name in self.ARRAYS}
        return LayerRecord(self.type, {}, arrays)

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Sylvester":
        arrays = [torch.from_numpy(record.arrays[name]) for name in cls.ARRAYS]
        expect(record, arrays[1].shape == arrays[2].shape, "r and s of the same size")
        return cls(*arrays)


class Residual(Layer):
    """x = z + g(z), g a contraction; the log det is exact, from the dense Jacobian.

    Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen (2019), "Invertible residual networks".
    """

    type = "residual"
    LONGEST_SEARCH = 5000

    def __init__(self, conditioner: Any) -> None:
        super().__init__()
        self.conditioner = conditioner

    def _matrix(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """g(z) and I + dg/dz [draw x dim x dim]."""
        with torch.enable_grad():
            z = z if z.requires_grad else z.detach().requires_grad_()
            g = self.conditioner(z)
            rows = [
                torch.autograd.grad(g[:, i].sum(), z, create_graph=True)[0]
                for i in range(z.shape[1])
            ]
        return g, torch.stack(rows, dim=1) + torch.eye(z.shape[1]).to(z)

    def forward(self, z: Tensor) -> Mapped:
        g, matrix = self._matrix(z)
        x, log_det = z + g, torch.linalg.slogdet(matrix)[1]
        trained = any(weight.requires_grad for weight in self.conditioner.parameters())
        if torch.is_grad_enabled() and (z.requires_grad or trained):
            return x, log_det
        return x.detach(), log_det.detach()

    def inverse(self, x: Tensor) -> Mapped:
        """The fixed point z = x - g(z), then one Newton step that autograd can follow."""
        with torch.no_grad():
            z, change = x, math.inf
            for _ in range(self.LONGEST_SEARCH):
                following = x - self.conditioner(z)
                last, change = change, float((following - z).norm(dim=1).max())
                z = following
                if not change < last:  # a contraction brings points together down to rounding
                    break
        g, matrix = self._matrix(z.detach())
        miss = z + g.detach() - x
        z = z - torch.linalg.solve(matrix.detach(), miss[:, :, None])[:, :, 0]
        return z, self.forward(z)[1]

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, *self.conditioner.record())

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Residual":
        every = np.arange(record.arrays["weight_0"].shape[1])
        return cls(conditioner_from_record(record, every, every, 1))


class Wrap(Layer):
    """x = z + shift, taken back to [-bound, bound), where `circular` is 1; z elsewhere."""

    type = "wrap"
    ARRAYS = ("circular", "bound", "shift")

    def __init__(self, circular: Any, bound: Any, shift: Any) -> None:
        super().__init__()
        self.register_buffer("circular", torch.as_tensor(circular).bool())
        self.register_buffer("bound", torch.as_tensor(bound))
        self.register_buffer("shift", torch.as_tensor(shift))

    def _turned(self, points: Tensor, shift: Tensor) -> Mapped:
        turned = points + shift
        turned = turned - 2.0 * self.bound * torch.floor((turned + self.bound) / (2.0 * self.bound))
        return torch.where(self.circular, turned, points), points.new_zeros(len(points))

    def forward(self, z: Tensor) -> Mapped:
        return self._turned(z, self.shift)

    def inverse(self, x: Tensor) -> Mapped:
        return self._turned(x, -self.shift)

    def record(self) -> LayerRecord:
        arrays = {name: getattr(self, name).numpy() for name in self.ARRAYS}
        arrays["circular"] = arrays["circular"].astype(np.int8)
        return LayerRecord(self.type, {}, arrays)

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Wrap":
        arrays = [torch.from_numpy(record.arrays[name]) for name in cls.ARRAYS]
        expect(record, len({array.shape for array in arrays}) == 1, "arrays of the same size")
        return cls(*arrays)


class Householder(Layer):
    """x = H_n ... H_1 z, H_k the reflection that turns vector k round."""

    type = "householder"

    def __init__(self, vectors: Any) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.as_tensor(vectors))

    def _reflect(self, points: Tensor, vectors: Any) -> Mapped:
        for v in vectors:
            points = points - 2.0 * (points @ v)[:, None] * v / (v @ v)
        return points, points.new_zeros(len(points))

    def forward(self, z: Tensor) -> Mapped:
        return self._reflect(z, self.vectors)

    def inverse(self, x: Tensor) -> Mapped:
        return self._reflect(x, self.vectors.flip(0))

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {"vectors": self.vectors.numpy()})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Householder":
        return cls(torch.from_numpy(record.arrays["vectors"]))


def _log_sigmoid_slope(z: Tensor) -> Tensor:
    """log of the derivative of the sigmoid at z, summed over coordinates, without overflow."""
    return (F.logsigmoid(z) + F.logsigmoid(-z)).sum(dim=1)


class Sigmoid(Layer):
    """x = 1 / (1 + exp(-z)): from the line to (0, 1)."""

    type = "sigmoid"

    def forward(self, z: Tensor) -> Mapped:
        return torch.sigmoid(z), _log_sigmoid_slope(z)

    def inverse(self, x: Tensor) -> Mapped:
        z = torch.log(x) - torch.log1p(-x)
        return z, _log_sigmoid_slope(z)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Sigmoid":
        return cls()


class Logit(Layer):
    """x = log(z / (1 - z)): from (0, 1) to the line; the inverse of `Sigmoid`."""

    type = "logit"

    def forward(self, z: Tensor) -> Mapped:
        x = torch.log(z) - torch.log1p(-z)
        return x, -_log_sigmoid_slope(x)

    def inverse(self, x: Tensor) -> Mapped:
        return torch.sigmoid(x), -_log_sigmoid_slope(x)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Logit":
        return cls()


class Exp(Layer):
    """x = exp(z): from the line to the positive numbers."""

    type = "exp"

    def forward(self, z: Tensor) -> Mapped:
        return torch.exp(z), z.sum(dim=1)

    def inverse(self, x: Tensor) -> Mapped:
        z = torch.log(x)
        return z, z.sum(dim=1)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Exp":
        return cls()


class Tanh(Layer):
    """x = tanh(z): from the line to (-1, 1)."""

    type = "tanh"

    def _log_det(self, z: Tensor) -> Tensor:
        return (2.0 * (math.log(2.0) - z - F.softplus(-2.0 * z))).sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        return torch.tanh(z), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        z = torch.atanh(x)
        return z, self._log_det(z)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Tanh":
        return cls()


class LogTanh(Layer):
    """x = tanh(z) up to |z| = cut_point, +-a log(b |z|) beyond, as nflows has it."""

    type = "log_tanh"

    def __init__(self, cut_point: float) -> None:
        super().__init__()
        self.cut, self.top = cut_point, math.tanh(cut_point)
        self.factor = (1.0 - math.tanh(self.top)) / cut_point

    def _log_det(self, z: Tensor) -> Tensor:
        beyond, size = torch.abs(z) > self.cut, torch.abs(z).clamp(min=self.cut)
        inner = torch.log1p(-(torch.tanh(z.clamp(-self.cut, self.cut)) ** 2))
        return torch.where(beyond, torch.log(self.factor / size), inner).sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        beyond, size = torch.abs(z) > self.cut, torch.abs(z).clamp(min=self.cut)
        outer = torch.sign(z) * (self.top + self.factor * torch.log(size / self.cut))
        return torch.where(beyond, outer, torch.tanh(z)), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        beyond, size = torch.abs(x) > self.top, torch.abs(x).clamp(min=self.top)
        outer = torch.sign(x) * self.cut * torch.exp((size - self.top) / self.factor)
        z = torch.where(beyond, outer, torch.atanh(x.clamp(-self.top, self.top)))
        return z, self._log_det(z)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {"cut_point": self.cut}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "LogTanh":
        return cls(record.attributes["cut_point"])


class Softclip(Layer):
    """x = z / (1 + |z / bound|): from the line to (-bound, bound)."""

    type = "softclip"

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def _log_det(self, z: Tensor) -> Tensor:
        return -2.0 * torch.log1p(torch.abs(z / self.bound)).sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        return z / (1.0 + torch.abs(z / self.bound)), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        z = x / (1.0 - torch.abs(x / self.bound))
        return z, self._log_det(z)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {"bound": self.bound}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "Softclip":
        return cls(record.attributes["bound"])


class LeakyReLU(Layer):
    """x = z where z >= 0, slope * z elsewhere."""

    type = "leaky_relu"

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def _log_det(self, side: Tensor) -> Tensor:
        return math.log(self.slope) * (side < 0).to(side.dtype).sum(dim=1)

    def forward(self, z: Tensor) -> Mapped:
        return torch.where(z < 0, self.slope * z, z), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        return torch.where(x < 0, x / self.slope, x), self._log_det(x)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {"slope": self.slope}, {})

    @classmethod
    def from_record(cls, record: LayerRecord) -> "LeakyReLU":
        return cls(record.attributes["slope"])


PLAIN_LAYERS: tuple[type[Layer], ...] = (
    DiagonalAffine,
    Exp,
    Householder,
    LeakyReLU,
    Linear,
    Logit,
    LogTanh,
    LULinear,
    Permutation,
    Planar,
    Radial,
    Residual,
    Sigmoid,
    Softclip,
    Squeeze,
    Sylvester,
    Tanh,
    Wrap,
)
LAYERS: dict[str, type[Layer]] = {
    **{layer.type: layer for layer in PLAIN_LAYERS},
    **{f"{kind}_coupling": Coupling for kind in MAPS},
    **{f"{kind}_autoregressive": Autoregressive for kind in MAPS},
}
