"""The layers of normalizing flows as PyTorch modules, one class for each type of a flow file.

Each has forward(z) -> (x, log_det) and inverse(x) -> (z, log_det), log_det always that of the
sampling direction, and turns into a LayerRecord and back.  Arrays are [draw x coordinate]; the
parameters theta of a coordinate map are [draw x parameter x coordinate].
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class FlowFileError(ValueError):
    """A flow file that cannot be used; the message is one sentence for the user."""


class LayerRecord(NamedTuple):
    """A layer as the file holds it: its type, its other attributes, its arrays."""

    type: str
    attributes: dict
    arrays: dict


# --- Layers -------------------------------------------------------------------------------------


ACTIVATIONS = {
    "tanh": lambda h, net: torch.tanh(h),
    "relu": lambda h, net: torch.relu(h),
    "leaky_relu": lambda h, net: F.leaky_relu(h, net.negative_slope),
    "silu": lambda h, net: F.silu(h),
    "elu": lambda h, net: F.elu(h, net.alpha),
    "sigmoid": lambda h, net: torch.sigmoid(h),
    "softplus": lambda h, net: F.softplus(h),
}


class ContextTerm(nn.Module):
    """What a context c does to the output h of a linear map: h + act(W c + b), then times a gate.

    `add` is (weight, bias or None, activation or None), `gate` (weight, bias or None) of a sigmoid;
    either may be None.
    """

    def __init__(self, add=None, gate=None):
        super().__init__()
        self.activation = add[2] if add else None
        for name, pair in (("context", add), ("gate", gate)):
            weight, bias = pair[:2] if pair else (None, None)
            self.register_buffer(f"{name}_weight", weight)
            self.register_buffer(f"{name}_bias", bias)

    def _map(self, name, context):
        return F.linear(context, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))

    def forward(self, h, context, net):
        if self.context_weight is not None:
            term = self._map("context", context)
            h = h + (ACTIVATIONS[self.activation](term, net) if self.activation else term)
        if self.gate_weight is not None:
            h = h * torch.sigmoid(self._map("gate", context))
        return h

    def entries(self, k):
        """attributes, arrays of linear map k."""
        attributes = {f"context_activation_{k}": self.activation} if self.activation else {}
        arrays = {f"{name}_{k}": array.numpy() for name, array in self.named_buffers()}
        return attributes, arrays

    @classmethod
    def from_record(cls, record, k):
        """The term of linear map k; None where it has none."""

        def array(name):
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

    def __init__(self):
        super().__init__()
        self.terms = nn.ModuleDict()
        self.register_buffer("context", None)

    def _linear(self, k, h):
        h = self.maps[k](h)
        if str(k) not in self.terms:
            return h
        return self.terms[str(k)](h, self.context.to(h), self)

    def _context_entries(self):
        attributes, arrays = {}, {}
        for k, term in self.terms.items():
            more = term.entries(k)
            attributes.update(more[0])
            arrays.update(more[1])
        return attributes, arrays


class Conditioner(_Contextual):
    """The network of a coupling layer: linear maps with an activation after all but the last.

    `widths` lists the sizes [in, hidden ..., out].  The last map starts at zero, so that an
    untrained coupling layer is the identity.
    """

    def __init__(self, widths, activation="tanh", negative_slope=0.01, alpha=1.0):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise FlowFileError(
                f"expected an activation among {', '.join(ACTIVATIONS)}, found '{activation}'"
            )
        self.activation = activation
        self.negative_slope = negative_slope
        self.alpha = alpha
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        nn.init.zeros_(self.maps[-1].weight)
        nn.init.zeros_(self.maps[-1].bias)

    def forward(self, h):
        activate = ACTIVATIONS[self.activation]
        for k in range(len(self.maps) - 1):
            h = activate(self._linear(k, h), self)
        return self._linear(len(self.maps) - 1, h)

    def record(self):
        """The entries of this conditioner in a layer: attributes, arrays."""
        attributes = {"activation": self.activation}
        if self.activation == "leaky_relu":
            attributes["negative_slope"] = float(self.negative_slope)
        if self.activation == "elu":
            attributes["alpha"] = float(self.alpha)
        more = self._context_entries()
        return {**attributes, **more[0]}, {**_linear_arrays(self.maps), **more[1]}


def _linear_arrays(maps):
    arrays = {}
    for k, linear in enumerate(maps):
        arrays[f"weight_{k}"] = linear.weight.detach().numpy()
        arrays[f"bias_{k}"] = linear.bias.detach().numpy()
    return arrays


class Program(_Contextual):
    """A conditioner as flow files write it: linear maps, activations, scales and residual sums.

    `network` is the program, as in "linear ( tanh linear ) linear"; `widths` has the sizes
    [in, hidden ..., out].
    """

    def __init__(self, network, widths, negative_slope=0.01, alpha=1.0, epsilon=1e-5):
        super().__init__()
        self.words = network.split(" ")
        self.negative_slope = negative_slope
        self.alpha = alpha
        self.epsilon = epsilon
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        self.norms = nn.ParameterList()
        mapped = 0
        for word in self.words:
            mapped += word == "linear"
            if word in ("affine", "layer_norm"):
                self.norms.append(nn.Parameter(torch.ones(widths[mapped])))
                self.norms.append(nn.Parameter(torch.zeros(widths[mapped])))

    def forward(self, h):
        maps, norms, kept = iter(range(len(self.maps))), iter(self.norms), None
        for word in self.words:
            if word == "linear":
                h = self._linear(next(maps), h)
            elif word == "affine":
                h = next(norms) * h + next(norms)
            elif word == "layer_norm":
                centred = h - h.mean(dim=1, keepdim=True)
                variance = (centred * centred).mean(dim=1, keepdim=True)
                h = next(norms) * centred / torch.sqrt(variance + self.epsilon) + next(norms)
            elif word == "(":
                kept = h
            elif word == ")":
                h = h + kept
            else:
                h = ACTIVATIONS[word](h, self)
        return h

    def record(self):
        """The entries of this conditioner in a layer: attributes, arrays."""
        attributes = {"network": " ".join(self.words)}
        numbers = {
            "leaky_relu": "negative_slope", "elu": "alpha", "layer_norm": "epsilon"
        }
        for word, name in numbers.items():
            if word in self.words:
                attributes[name] = float(getattr(self, name))
        arrays = _linear_arrays(self.maps)
        for k in range(len(self.norms) // 2):
            arrays[f"norm_scale_{k}"] = self.norms[2 * k].detach().numpy()
            arrays[f"norm_shift_{k}"] = self.norms[2 * k + 1].detach().numpy()
        more = self._context_entries()
        return {**attributes, **more[0]}, {**arrays, **more[1]}


def conditioner_from_record(record, inputs, outputs):
    """The conditioner of a coupling or an autoregressive layer."""
    arrays = record.arrays
    widths = [inputs] + [len(arrays[f"weight_{k}"]) for k in range(_linear_maps(record))]
    _expect(record, widths[-1] == outputs, f"{outputs} outputs of the conditioner")
    names = ("activation", "network", "negative_slope", "alpha", "epsilon")
    options = {name: record.attributes[name] for name in names if name in record.attributes}
    net = (Program if "network" in options else Conditioner)(widths=widths, **options)
    for k, linear in enumerate(net.maps):
        shape = tuple(linear.weight.shape)
        weight, bias = arrays[f"weight_{k}"], arrays[f"bias_{k}"]
        _expect(record, weight.shape == shape, f"weight_{k} of shape {shape}")
        _expect(record, bias.shape == shape[:1], f"bias_{k} of shape {shape[:1]}")
        # Keep the file's precision: double weights must not pass through float.
        linear.weight = nn.Parameter(torch.from_numpy(weight))
        linear.bias = nn.Parameter(torch.from_numpy(bias))
        term = ContextTerm.from_record(record, k)
        if term is not None:
            net.terms[str(k)] = term
    for k in range(len(getattr(net, "norms", ())) // 2):
        net.norms[2 * k] = nn.Parameter(torch.from_numpy(arrays[f"norm_scale_{k}"]))
        net.norms[2 * k + 1] = nn.Parameter(torch.from_numpy(arrays[f"norm_shift_{k}"]))
    return net


class AdditiveMap:
    """y = u + t.  Dinh, Krueger & Bengio (2014), "NICE"."""

    kind = "additive"
    parameters = 1

    def forward(self, u, theta):
        return u + theta[:, 0], torch.zeros_like(u)

    def inverse(self, y, theta):
        return y - theta[:, 0], torch.zeros_like(y)

    def attributes(self):
        return {}


class AffineMap:
    """y = u scale(s) + t, or (u + t) scale(s) with shift "before"."""

    kind = "affine"
    parameters = 2
    SCALES = {
        "exp": lambda s, m: s,
        "sigmoid": lambda s, m: torch.log(torch.sigmoid(s + m.offset) + m.floor),
        "reciprocal_sigmoid": lambda s, m: -F.logsigmoid(s + m.offset),
        "tanh": lambda s, m: m.bound * torch.tanh(s),
        "softclip": lambda s, m: s / (1.0 + torch.abs(s / m.bound)),
        "softplus": lambda s, m: torch.log(F.softplus(s + m.offset) + m.floor),
    }
    NUMBERS = {
        "exp": (),
        "sigmoid": ("offset", "floor"),
        "reciprocal_sigmoid": ("offset",),
        "tanh": ("bound",),
        "softclip": ("bound",),
        "softplus": ("offset", "floor"),
    }

    def __init__(self, scale="exp", shift="after", offset=None, floor=0.0, bound=None):
        self.scale, self.shift, self.floor, self.bound = scale, shift, floor, bound
        self.offset = offset if offset is not None else (0.0 if scale == "softplus" else 2.0)

    def forward(self, u, theta):
        log_scale = self.SCALES[self.scale](theta[:, 0], self)
        if self.shift == "before":
            return (u + theta[:, 1]) * torch.exp(log_scale), log_scale
        return u * torch.exp(log_scale) + theta[:, 1], log_scale

    def inverse(self, y, theta):
        log_scale = self.SCALES[self.scale](theta[:, 0], self)
        if self.shift == "before":
            return y * torch.exp(-log_scale) - theta[:, 1], log_scale
        return (y - theta[:, 1]) * torch.exp(-log_scale), log_scale

    def attributes(self):
        found = {name: float(getattr(self, name)) for name in self.NUMBERS[self.scale]}
        if self.scale != "exp":
            found["scale"] = self.scale
        if self.shift != "after":
            found["shift"] = self.shift
        return found


class SplineMap:
    """A monotone rational-quadratic spline on [-bound, bound], the identity outside.

    Durkan, Bekasov, Murray & Papamakarios (2019), "Neural spline flows".
    """

    kind = "spline"

    def __init__(
        self, bins, bound, tails="linear", parameterization="softmax",
        min_width=1e-3, min_height=1e-3, min_derivative=1e-3, slope=1e-3,
    ):
        self.bins, self.bound, self.tails = int(bins), bound, tails
        self.parameterization, self.slope = parameterization, slope
        self.min_width, self.min_height, self.min_derivative = min_width, min_height, min_derivative

    @property
    def parameters(self):
        return 3 * self.bins - (self.tails == "linear")

    def _knots(self, raw, smallest):
        if self.parameterization == "softclip":
            raw = raw / (1.0 + torch.abs(2.0 * raw / math.log(self.slope)))
            smallest = 0.0
        shares = smallest + (1.0 - self.bins * smallest) * torch.softmax(raw, dim=1)
        inner = -self.bound + 2.0 * self.bound * torch.cumsum(shares, dim=1)[:, :-1]
        end = torch.full_like(raw[:, :1], self.bound)
        return torch.cat([-end, inner, end], dim=1)

    def _slopes(self, raw):
        if self.parameterization == "softclip":
            slopes = torch.exp(raw / (1.0 + torch.abs(raw / math.log(self.slope))))
        else:
            slopes = self.min_derivative + F.softplus(raw)
        if self.tails == "circular":
            return torch.cat([slopes, slopes[:, :1]], dim=1)
        end = raw.new_ones((len(raw), 1, raw.shape[2]))
        return torch.cat([end, slopes, end], dim=1)

    def _bin(self, value, theta, by_height):
        """left, width, bottom, height, slopes of the bin that each value falls into."""
        widths, heights, raw = torch.split(
            theta, [self.bins, self.bins, theta.shape[1] - 2 * self.bins], dim=1
        )
        x, y = self._knots(widths, self.min_width), self._knots(heights, self.min_height)
        knots = (y if by_height else x)[:, 1:-1]
        place = (value.unsqueeze(1) >= knots).sum(dim=1, keepdim=True)

        def at(values, shift=0):
            return values.gather(1, place + shift).squeeze(1)

        d = self._slopes(raw)
        return (
            at(x), at(x, 1) - at(x), at(y), at(y, 1) - at(y), at(d), at(d, 1),
        )

    @staticmethod
    def _log_slope(xi, s, d0, d1):
        rest = 1.0 - xi
        rising = d1 * xi**2 + 2.0 * s * xi * rest + d0 * rest**2
        return torch.log(s**2 * rising) - 2.0 * torch.log(s + (d0 + d1 - 2.0 * s) * xi * rest)

    def forward(self, u, theta):
        inside = (u >= -self.bound) & (u <= self.bound)
        clamped = u.clamp(-self.bound, self.bound)
        left, width, bottom, height, d0, d1 = self._bin(clamped, theta, False)
        xi, s = (clamped - left) / width, height / width
        q = xi * (1.0 - xi)
        y = bottom + height * (s * xi**2 + d0 * q) / (s + (d0 + d1 - 2.0 * s) * q)
        log_slope = self._log_slope(xi, s, d0, d1)
        return torch.where(inside, y, u), torch.where(inside, log_slope, torch.zeros_like(u))

    def inverse(self, y, theta):
        inside = (y >= -self.bound) & (y <= self.bound)
        clamped = y.clamp(-self.bound, self.bound)
        left, width, bottom, height, d0, d1 = self._bin(clamped, theta, True)
        s, rise = height / width, clamped - bottom
        bend = rise * (d0 + d1 - 2.0 * s)
        a, b, c = bend + height * (s - d0), height * d0 - bend, -s * rise
        root = torch.sqrt(torch.clamp(b**2 - 4.0 * a * c, min=0.0))
        stable = torch.where(b < 0.0, 2.0 * a, -b - root)
        xi = torch.where(b < 0.0, root - b, 2.0 * c) / stable
        log_slope = self._log_slope(xi, s, d0, d1)
        u = left + xi * width
        return torch.where(inside, u, y), torch.where(inside, log_slope, torch.zeros_like(y))

    def attributes(self):
        found = {
            "bins": float(self.bins), "bound": float(self.bound), "tails": self.tails,
            "parameterization": self.parameterization,
        }
        if self.parameterization == "softclip":
            return {**found, "slope": float(self.slope)}
        names = ("min_width", "min_height", "min_derivative")
        return {**found, **{name: float(getattr(self, name)) for name in names}}


MAPS = {map_type.kind: map_type for map_type in (AdditiveMap, AffineMap, SplineMap)}


def _map_from_record(record):
    conditioner = ("activation", "network", "negative_slope", "alpha", "epsilon", "direction")
    options = {
        name: value for name, value in record.attributes.items()
        if name not in conditioner and not name.startswith("context_activation_")
    }
    return MAPS[record.type.split("_")[0]](**options)


class Coupling(nn.Module):
    """x_a = z_a, x_b = g(z_b; theta(z_a)); a where `mask` is 1, b where it is 0."""

    def __init__(self, mask, coordinate_map, conditioner):
        super().__init__()
        mask = torch.as_tensor(mask).bool()
        kept, moved = torch.where(mask)[0], torch.where(~mask)[0]
        self.register_buffer("kept", kept)
        self.register_buffer("moved", moved)
        self.register_buffer("order", torch.argsort(torch.cat([kept, moved])))
        self.map = coordinate_map
        self.conditioner = conditioner

    @property
    def type(self):
        return f"{self.map.kind}_coupling"

    def _through(self, points, apply):
        kept = points[:, self.kept]
        theta = self.conditioner(kept).reshape(len(points), self.map.parameters, -1)
        moved, log_slope = apply(points[:, self.moved], theta)
        return torch.cat([kept, moved], dim=1)[:, self.order], log_slope.sum(dim=1)

    def forward(self, z):
        return self._through(z, self.map.forward)

    def inverse(self, x):
        return self._through(x, self.map.inverse)

    def record(self):
        attributes, arrays = self.conditioner.record()
        mask = np.zeros(len(self.order), dtype=np.int8)
        mask[self.kept.numpy()] = 1
        return LayerRecord(
            self.type, {**self.map.attributes(), **attributes}, {**arrays, "mask": mask}
        )

    @classmethod
    def from_record(cls, record):
        coordinate_map, mask = _map_from_record(record), np.asarray(record.arrays["mask"])
        kept = int(mask.sum())
        outputs = coordinate_map.parameters * (len(mask) - kept)
        net = conditioner_from_record(record, kept, outputs)
        if coordinate_map.kind == "affine" and not coordinate_map.attributes():
            return AffineCoupling(mask, net)
        return cls(mask, coordinate_map, net)


class AffineCoupling(Coupling):
    """x_b = z_b exp(s(z_a)) + t(z_a): the coupling that train_flow.py trains.

    Dinh, Sohl-Dickstein & Bengio (2017), "Density estimation using Real NVP".
    """

    def __init__(self, mask, conditioner):
        super().__init__(mask, AffineMap(), conditioner)


class Autoregressive(nn.Module):
    """x_i = g(z_i; theta_i(z)), theta_i a function of the coordinates before i in `order` alone."""

    def __init__(self, order, coordinate_map, conditioner):
        super().__init__()
        self.register_buffer("sequence", torch.argsort(torch.as_tensor(order)))
        self.map = coordinate_map
        self.conditioner = conditioner

    @property
    def type(self):
        return f"{self.map.kind}_autoregressive"

    def _theta(self, z):
        return self.conditioner(z).reshape(len(z), self.map.parameters, -1)

    def forward(self, z):
        x, log_slope = self.map.forward(z, self._theta(z))
        return x, log_slope.sum(dim=1)

    def inverse(self, x):
        z = torch.zeros_like(x)
        for i in self.sequence.tolist():
            found, _ = self.map.inverse(x, self._theta(z))
            z = torch.cat([z[:, :i], found[:, i : i + 1], z[:, i + 1 :]], dim=1)
        return z, self.forward(z)[1]

    def record(self):
        attributes, arrays = self.conditioner.record()
        order = torch.argsort(self.sequence).numpy()
        return LayerRecord(
            self.type, {**self.map.attributes(), **attributes}, {**arrays, "order": order}
        )

    @classmethod
    def from_record(cls, record):
        coordinate_map, order = _map_from_record(record), record.arrays["order"]
        dim = len(order)
        _expect(record, np.array_equal(np.sort(order), np.arange(dim)), "order to be a permutation")
        net = conditioner_from_record(record, dim, coordinate_map.parameters * dim)
        return cls(order.astype(np.int64), coordinate_map, net)


class Inverted(nn.Module):
    """A layer used the other way round: attribute direction = "inverse"."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, z):
        x, log_det = self.layer.inverse(z)
        return x, -log_det

    def inverse(self, x):
        z, log_det = self.layer(x)
        return z, -log_det

    def record(self):
        record = self.layer.record()
        return record._replace(attributes={**record.attributes, "direction": "inverse"})


def layer_from_record(record):
    """The module of a record, turned round where the record says so."""
    layer = LAYERS[record.type].from_record(record)
    return Inverted(layer) if record.attributes.get("direction") == "inverse" else layer


class Permutation(nn.Module):
    """x[i] = z[indices[i]]."""

    type = "permutation"

    def __init__(self, indices):
        super().__init__()
        indices = torch.as_tensor(indices, dtype=torch.int64)
        self.register_buffer("indices", indices)
        self.register_buffer("inverse_indices", torch.argsort(indices))

    def forward(self, z):
        return z[:, self.indices], z.new_zeros(len(z))

    def inverse(self, x):
        return x[:, self.inverse_indices], x.new_zeros(len(x))

    def record(self):
        return LayerRecord(self.type, {}, {"indices": self.indices.numpy()})

    @classmethod
    def from_record(cls, record):
        indices = record.arrays["indices"]
        is_permutation = np.array_equal(np.sort(indices), np.arange(len(indices)))
        _expect(record, is_permutation, "indices to be each of 0 ... dim - 1 once")
        return cls(indices)


class DiagonalAffine(nn.Module):
    """x = scale * z + shift, coordinate by coordinate; not trained (buffers, not parameters)."""

    type = "diagonal_affine"

    def __init__(self, scale, shift):
        super().__init__()
        self.register_buffer("scale", torch.as_tensor(scale))
        self.register_buffer("shift", torch.as_tensor(shift))

    def _log_det(self, like):
        return self.scale.abs().log().sum().expand(len(like))

    def forward(self, z):
        return self.scale * z + self.shift, self._log_det(z)

    def inverse(self, x):
        return (x - self.shift) / self.scale, self._log_det(x)

    def record(self):
        return LayerRecord(
            self.type, {}, {"scale": self.scale.numpy(), "shift": self.shift.numpy()}
        )

    @classmethod
    def from_record(cls, record):
        scale, shift = record.arrays["scale"], record.arrays["shift"]
        _expect(record, scale.shape == shift.shape, "scale and shift of the same size")
        _expect(record, np.all(scale != 0), "no scale to be zero")
        return cls(torch.from_numpy(scale), torch.from_numpy(shift))


class LULinear(nn.Module):
    """x = L U z + bias, L lower triangular with ones on its diagonal, U upper triangular."""

    type = "lu_linear"

    def __init__(self, lower, upper, bias):
        super().__init__()
        self.register_buffer("lower", torch.as_tensor(lower))
        self.register_buffer("upper", torch.as_tensor(upper))
        self.register_buffer("bias", torch.as_tensor(bias))

    def _log_det(self, like):
        return self.upper.diagonal().abs().log().sum().expand(len(like))

    def forward(self, z):
        return z @ (self.lower @ self.upper).T + self.bias, self._log_det(z)

    def inverse(self, x):
        y = torch.linalg.solve_triangular(self.lower, (x - self.bias).T, upper=False)
        return torch.linalg.solve_triangular(self.upper, y, upper=True).T, self._log_det(x)

    def record(self):
        names = ("lower", "upper", "bias")
        return LayerRecord(self.type, {}, {name: getattr(self, name).numpy() for name in names})

    @classmethod
    def from_record(cls, record):
        lower, upper, bias = (record.arrays[name] for name in ("lower", "upper", "bias"))
        _expect(record, np.array_equal(lower, np.tril(lower)), "a lower triangular matrix")
        _expect(record, np.array_equal(upper, np.triu(upper)), "an upper triangular matrix")
        return cls(torch.from_numpy(lower), torch.from_numpy(upper), torch.from_numpy(bias))


class Planar(nn.Module):
    """x = z + u h(w.z + b), h = tanh or leaky relu.  Rezende & Mohamed (2015)."""

    type = "planar"

    def __init__(self, u, w, b, activation="tanh", negative_slope=0.01):
        super().__init__()
        self.register_buffer("u", torch.as_tensor(u))
        self.register_buffer("w", torch.as_tensor(w))
        self.b, self.activation, self.negative_slope = float(b), activation, negative_slope

    def _bend(self, inputs):
        """h and its slope."""
        if self.activation == "tanh":
            h = torch.tanh(inputs)
            return h, 1.0 - h**2
        below = torch.full_like(inputs, self.negative_slope)
        slope = torch.where(inputs > 0.0, torch.ones_like(inputs), below)
        return slope * inputs, slope

    def forward(self, z):
        h, slope = self._bend(z @ self.w + self.b)
        return z + h[:, None] * self.u, torch.log1p(self.w @ self.u * slope)

    def inverse(self, x):
        """By bisection on a = w.z, then one Newton step, which autograd can follow."""
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

    def record(self):
        attributes = {"activation": self.activation, "b": self.b}
        if self.activation == "leaky_relu":
            attributes["negative_slope"] = float(self.negative_slope)
        return LayerRecord(self.type, attributes, {"u": self.u.numpy(), "w": self.w.numpy()})

    @classmethod
    def from_record(cls, record):
        options = {k: v for k, v in record.attributes.items() if k != "direction"}
        u, w = (torch.from_numpy(record.arrays[name]) for name in ("u", "w"))
        _expect(record, u.shape == w.shape, "u and w of the same size")
        return cls(u, w, **options)


class Radial(nn.Module):
    """x = z + beta / (alpha + r) (z - centre), r = |z - centre|.  Rezende & Mohamed (2015)."""

    type = "radial"

    def __init__(self, centre, alpha, beta):
        super().__init__()
        self.register_buffer("centre", torch.as_tensor(centre))
        self.alpha, self.beta = float(alpha), float(beta)

    def forward(self, z):
        d = z - self.centre
        r = torch.linalg.vector_norm(d, dim=1)
        h = self.beta / (self.alpha + r)
        along = 1.0 + h - self.beta * r / (self.alpha + r) ** 2
        log_det = (z.shape[1] - 1) * torch.log1p(h) + torch.log(along)
        return z + h[:, None] * d, log_det

    def inverse(self, x):
        y = x - self.centre
        length = torch.linalg.vector_norm(y, dim=1)
        b = self.alpha + self.beta - length
        r = 0.5 * (torch.sqrt(b**2 + 4.0 * self.alpha * length) - b)
        z = self.centre + y / (1.0 + self.beta / (self.alpha + r))[:, None]
        return z, self.forward(z)[1]

    def record(self):
        attributes = {"alpha": self.alpha, "beta": self.beta}
        return LayerRecord(self.type, attributes, {"centre": self.centre.numpy()})

    @classmethod
    def from_record(cls, record):
        alpha, beta = record.attributes["alpha"], record.attributes["beta"]
        return cls(torch.from_numpy(record.arrays["centre"]), alpha, beta)


class Sylvester(nn.Module):
    """x = z + Q R tanh(S Q^T z + b), R and S upper triangular.  van den Berg et al. (2018).

    Q has the first columns of H_n ... H_1, the reflections that turn the rows of `vectors` round.
    """

    type = "sylvester"
    ARRAYS = ("vectors", "r", "s", "b")

    def __init__(self, vectors, r, s, b):
        super().__init__()
        for name, array in zip(self.ARRAYS, (vectors, r, s, b)):
            self.register_buffer(name, torch.as_tensor(array))

    @property
    def q(self):
        columns = torch.eye(self.vectors.shape[1], len(self.b)).to(self.vectors)
        for v in self.vectors:
            columns = columns - 2.0 * torch.outer(v, v @ columns) / (v @ v)
        return columns

    def forward(self, z):
        h = torch.tanh(z @ self.q @ self.s.T + self.b)
        overlap = self.r.diagonal() * self.s.diagonal()
        log_det = torch.log1p(overlap * (1.0 - h**2)).sum(dim=1)
        return z + h @ self.r.T @ self.q.T, log_det

    def inverse(self, x):
        """Unit by unit, each by bisection, then one Newton step, which autograd can follow."""
        image, bends, units = x @ self.q, [], []
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
    def _solve(r, s, shift, known):
        with torch.no_grad():
            low, high = known - r.abs(), known + r.abs()
            for _ in range(100):
                u = 0.5 * (low + high)
                above = u + r * torch.tanh(s * u + shift) > known
                low, high = torch.where(above, low, u), torch.where(above, u, high)
        h = torch.tanh(s * u + shift)
        return u - (u + r * h - known) / (1.0 + r * s * (1.0 - h**2))

    def record(self):
        arrays = {name: getattr(self, name).numpy() for name in self.ARRAYS}
        return LayerRecord(self.type, {}, arrays)

    @classmethod
    def from_record(cls, record):
        arrays = [torch.from_numpy(record.arrays[name]) for name in cls.ARRAYS]
        _expect(record, arrays[1].shape == arrays[2].shape, "r and s of the same size")
        return cls(*arrays)


class Householder(nn.Module):
    """x = H_n ... H_1 z, H_k the reflection that turns vector k round."""

    type = "householder"

    def __init__(self, vectors):
        super().__init__()
        self.register_buffer("vectors", torch.as_tensor(vectors))

    def _reflect(self, points, vectors):
        for v in vectors:
            points = points - 2.0 * (points @ v)[:, None] * v / (v @ v)
        return points, points.new_zeros(len(points))

    def forward(self, z):
        return self._reflect(z, self.vectors)

    def inverse(self, x):
        return self._reflect(x, self.vectors.flip(0))

    def record(self):
        return LayerRecord(self.type, {}, {"vectors": self.vectors.numpy()})

    @classmethod
    def from_record(cls, record):
        return cls(torch.from_numpy(record.arrays["vectors"]))


def _log_sigmoid_slope(z):
    """log of the derivative of the sigmoid at z, summed over coordinates, without overflow."""
    return (F.logsigmoid(z) + F.logsigmoid(-z)).sum(dim=1)


class Sigmoid(nn.Module):
    """x = 1 / (1 + exp(-z)): from the line to (0, 1)."""

    type = "sigmoid"

    def forward(self, z):
        return torch.sigmoid(z), _log_sigmoid_slope(z)

    def inverse(self, x):
        z = torch.log(x) - torch.log1p(-x)
        return z, _log_sigmoid_slope(z)

    def record(self):
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record):
        return cls()


class Logit(nn.Module):
    """x = log(z / (1 - z)): from (0, 1) to the line; the inverse of `Sigmoid`."""

    type = "logit"

    def forward(self, z):
        x = torch.log(z) - torch.log1p(-z)
        return x, -_log_sigmoid_slope(x)

    def inverse(self, x):
        return torch.sigmoid(x), -_log_sigmoid_slope(x)

    def record(self):
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record):
        return cls()


PLAIN_LAYERS = (
    DiagonalAffine, Householder, Logit, LULinear, Permutation, Planar, Radial, Sigmoid, Sylvester,
)
LAYERS = {
    **{layer.type: layer for layer in PLAIN_LAYERS},
    **{f"{kind}_coupling": Coupling for kind in MAPS},
    **{f"{kind}_autoregressive": Autoregressive for kind in MAPS},
}


def _linear_maps(record):
    return sum(name.startswith("weight_") for name in record.arrays)


def _expect(record, holds, what):
    if not holds:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in record.arrays.items())
        raise FlowFileError(f"expected {what}, found {shapes}; export the flow again")
