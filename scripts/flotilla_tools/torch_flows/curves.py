# SPDX-License-Identifier: BSD-3-Clause
"""Maps of coordinates that are monotone curves y = g(u; theta): the maps of MAPS in layers.py that
have no closed form both ways, and rational-linear splines.

u is [draw x coordinate], theta [draw x parameter x coordinate]; forward and inverse give values and
log slopes, both [draw x coordinate].
"""

import math
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Mapped = tuple[Tensor, Tensor]

DOUBLINGS, BISECTIONS = 64, 60


def solve(curve: Any, y: Tensor, theta: Tensor) -> Mapped:
    """(u, log slope) with curve.forward(u, theta) = y: bisection within a bracket that doubles
    until it holds y, then one Newton step that autograd can follow."""
    with torch.no_grad():
        low, high = -torch.ones_like(y), torch.ones_like(y)
        for _ in range(DOUBLINGS):
            under, over = curve.value(low, theta) > y, curve.value(high, theta) < y
            if not torch.any(under | over):
                break
            low = torch.where(under, 2.0 * low, low)
            high = torch.where(over, 2.0 * high, high)
        for _ in range(BISECTIONS):
            u = 0.5 * (low + high)
            above = curve.value(u, theta) > y
            low, high = torch.where(above, low, u), torch.where(above, u, high)
    value, log_slope = curve.forward(u, theta)
    u = u - (value - y) * torch.exp(-log_slope)
    return u, curve.forward(u, theta)[1]


class Curve:
    """A curve whose inverse is solved for."""

    kind: str
    numbers: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """The number of parameters per coordinate."""
        raise NotImplementedError

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        raise NotImplementedError

    def value(self, u: Tensor, theta: Tensor) -> Tensor:
        """y alone."""
        return self.forward(u, theta)[0]

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        return solve(self, y, theta)

    def attributes(self) -> dict[str, Any]:
        return {name: float(getattr(self, name)) for name in self.numbers}


class BernsteinMap(Curve):
    """A Bernstein polynomial on [-bound, bound] whose coefficients ascend, the identity outside.

    Sick et al. (2020), "Deep transformation models"; Arpogaus et al. (2022).
    """

    kind = "bernstein"
    numbers = ("parameters", "bound")

    def __init__(self, parameters: float, bound: float = 5.0) -> None:
        self.count, self.bound = int(parameters), bound

    @property
    def parameters(self) -> int:
        return self.count

    def _steps(self, theta: Tensor) -> Tensor:
        end = 2.0 * self.bound / (self.parameters + 4)
        inner = (2.0 * self.bound - 4.0 * end) * torch.softmax(theta, dim=1)
        ends = torch.full_like(theta[:, :1], end).expand(-1, 2, -1)
        return torch.cat([ends, inner, ends], dim=1)

    @staticmethod
    def _basis(degree: int, s: Tensor) -> Tensor:
        """[draw x degree + 1 x coordinate]"""
        i = torch.arange(degree + 1, dtype=s.dtype).reshape(1, -1, 1)
        choose = torch.tensor([math.comb(degree, k) for k in range(degree + 1)], dtype=s.dtype)
        s = s.unsqueeze(1)
        return choose.reshape(1, -1, 1) * s**i * (1.0 - s) ** (degree - i)

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        inside = (u > -self.bound) & (u < self.bound)
        s = (torch.where(inside, u, torch.zeros_like(u)) + self.bound) / (2.0 * self.bound)
        steps, degree = self._steps(theta), self.parameters + 4
        above = self._basis(degree, s).flip(1).cumsum(dim=1).flip(1)[:, 1:]
        y = -self.bound + (steps * above).sum(dim=1)
        slope = degree / (2.0 * self.bound) * (steps * self._basis(degree - 1, s)).sum(dim=1)
        return torch.where(inside, y, u), torch.where(inside, slope.log(), torch.zeros_like(u))


class SumOfSquaresMap(Curve):
    """y = constant + int_0^u (slope + mean_k p_k(t / bound)^2) dt.  Jaini et al. (2019)."""

    kind = "sum_of_squares"
    numbers = ("polynomials", "degree", "bound", "slope")

    def __init__(
        self, polynomials: float, degree: float, bound: float = 10.0, slope: float = 1e-3
    ) -> None:
        self.polynomials, self.degree = int(polynomials), int(degree)
        self.bound, self.slope = bound, slope

    @property
    def parameters(self) -> int:
        return self.polynomials * (self.degree + 1) + 1

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        count = self.degree + 1
        p = theta[:, :-1].reshape(len(u), self.polynomials, count, -1)
        p = torch.cat([p[:, :, :1] + 1.0, p[:, :, 1:]], dim=2)
        s = (u / self.bound).unsqueeze(1)
        i = torch.arange(count, dtype=u.dtype)
        values = (p * s.unsqueeze(1) ** i.reshape(1, 1, -1, 1)).sum(dim=2)
        slope = self.slope + (values**2).mean(dim=1)
        power = i[:, None] + i[None, :] + 1.0
        both = torch.einsum("nkic,nkjc->nijc", p, p) / self.polynomials
        areas = s.unsqueeze(2) ** power.reshape(1, count, count, 1) / power[:, :, None]
        area = self.bound * (both * areas).sum(dim=(1, 2))
        return theta[:, -1] + self.slope * u + area, slope.log()


class GaussianizationMap(Curve):
    """The normal quantile of a mixture of normal distribution functions.  Meng et al. (2020)."""

    kind = "gaussianization"
    numbers = ("components",)
    SHRINK = 1.0 - 1e-6

    def __init__(self, components: float) -> None:
        self.components = int(components)

    @property
    def parameters(self) -> int:
        return 2 * self.components

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        shift, log_scale = theta.split(self.components, dim=1)
        v = torch.exp(log_scale) * u.unsqueeze(1) + shift
        mean = torch.erf(v / math.sqrt(2.0)).mean(dim=1)
        y = math.sqrt(2.0) * torch.erfinv(self.SHRINK * mean)
        log_density = torch.logsumexp(log_scale - 0.5 * v**2, dim=1) - math.log(self.components)
        return y, math.log(self.SHRINK) + 0.5 * y**2 + log_density


class RationalLinearMap(Curve):
    """A monotone rational-linear spline on [-bound, bound], the identity outside.

    Dolatabadi, Erfani & Leckie (2020), "Invertible generative modeling using linear rational
    splines".
    """

    kind = "rational_linear"
    numbers = (
        "bins", "bound", "min_width", "min_height", "min_derivative", "min_lambda", "tail_slope"
    )

    def __init__(
        self,
        bins: float,
        bound: float = 3.0,
        min_width: float = 1e-3,
        min_height: float = 1e-3,
        min_derivative: float = 1e-3,
        min_lambda: float = 0.025,
        tail_slope: float = 1.0,
    ) -> None:
        self.bins, self.bound, self.tail_slope = int(bins), bound, tail_slope
        self.min_width, self.min_height = min_width, min_height
        self.min_derivative, self.min_lambda = min_derivative, min_lambda

    @property
    def parameters(self) -> int:
        return 4 * self.bins - 1

    def _knots(self, raw: Tensor, smallest: float) -> Tensor:
        shares = smallest + (1.0 - self.bins * smallest) * torch.softmax(raw, dim=1)
        inner = -self.bound + 2.0 * self.bound * torch.cumsum(shares, dim=1)[:, :-1]
        end = torch.full_like(raw[:, :1], self.bound)
        return torch.cat([-end, inner, end], dim=1)

    def _bin(self, value: Tensor, theta: Tensor, by_height: bool) -> tuple[Tensor, ...]:
        """left, width, bottom, height, slopes and division of the bin of each value."""
        k = self.bins
        widths, heights, raw, divisions = theta.split([k, k, k - 1, k], dim=1)
        u, y = self._knots(widths, self.min_width), self._knots(heights, self.min_height)
        end = torch.full_like(widths[:, :1], self.tail_slope)
        slopes = torch.cat([end, self.min_derivative + F.softplus(raw), end], dim=1)
        shares = self.min_lambda + (1.0 - 2.0 * self.min_lambda) * torch.sigmoid(divisions)
        inner = (y if by_height else u)[:, 1:-1]
        place = (value.unsqueeze(1) >= inner).sum(dim=1, keepdim=True)

        def at(values: Tensor, shift: int = 0) -> Tensor:
            return values.gather(1, place + shift).squeeze(1)

        left, bottom = at(u), at(y)
        ends = (at(slopes), at(slopes, 1))
        return (left, at(u, 1) - left, bottom, at(y, 1) - bottom, *ends, at(shares))

    def _fraction(self, place: Tensor, bin: tuple[Tensor, ...]) -> Mapped:
        """(height above the bottom, log slope) at a fraction of the width."""
        _, width, _, height, d0, d1, share = bin
        right = torch.sqrt(d0 / d1)
        middle = (share * d0 + (1.0 - share) * right * d1) * width / height
        top = share * right * height / (1.0 - share + share * right)
        before = place <= share
        one = torch.where(before, share - place, right * (place - share))
        below = one + middle * torch.where(before, place, 1.0 - place)
        value = middle * top * torch.where(before, place, 1.0 - place)
        value = value + torch.where(before, torch.zeros_like(place), one * height)
        rise = torch.where(before, share * top, right * (1.0 - share) * (height - top))
        return value / below, torch.log(middle * rise / width) - 2.0 * torch.log(below)

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        inside = (u >= -self.bound) & (u <= self.bound)
        clamped = u.clamp(-self.bound, self.bound)
        bin = self._bin(clamped, theta, False)
        rise, log_slope = self._fraction((clamped - bin[0]) / bin[1], bin)
        y = torch.where(inside, bin[2] + rise, u)
        return y, torch.where(inside, log_slope, torch.zeros_like(u))

    def inverse(self, y: Tensor, theta: Tensor) -> Mapped:
        inside = (y >= -self.bound) & (y <= self.bound)
        clamped = y.clamp(-self.bound, self.bound)
        bin = self._bin(clamped, theta, True)
        left, width, bottom, height, d0, d1, share = bin
        right = torch.sqrt(d0 / d1)
        middle = (share * d0 + (1.0 - share) * right * d1) * width / height
        top = share * right * height / (1.0 - share + share * right)
        rise = clamped - bottom
        before = rise <= top
        one = torch.where(before, middle * (top - rise), right * (height - rise))
        other = torch.where(before, rise, middle * (rise - top))
        above = torch.where(before, share * rise, other + share * one)
        place = above / (one + other)
        log_slope = self._fraction(place, bin)[1]
        u = torch.where(inside, left + place * width, y)
        return u, torch.where(inside, log_slope, torch.zeros_like(y))


class PolynomialSpline(Curve):
    """A spline on centre + [-bound, bound], the identity outside."""

    bins: int
    bound: float
    centre: float
    min_width: float
    min_height: float

    def _knots(self, raw: Tensor, smallest: float) -> Tensor:
        shares = smallest + (1.0 - self.bins * smallest) * torch.softmax(raw, dim=1)
        return self._ends(2.0 * self.bound * shares)

    def _ends(self, lengths: Tensor) -> Tensor:
        """The ends of bins of these lengths."""
        low = torch.full_like(lengths[:, :1], self.centre - self.bound)
        inner = low + torch.cumsum(lengths, dim=1)[:, :-1]
        return torch.cat([low, inner, torch.full_like(low, self.centre + self.bound)], dim=1)

    def _in_bin(self, place: Tensor, bin: Callable[..., Tensor], theta: Tensor) -> Mapped:
        """(height above the bottom in units of the width, slope) at a fraction of the width."""
        raise NotImplementedError

    def _axes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The knots in u and in y."""
        raise NotImplementedError

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        low, high = self.centre - self.bound, self.centre + self.bound
        inside, clamped = (u >= low) & (u <= high), u.clamp(low, high)
        across, up = self._axes(theta)
        number = (clamped.unsqueeze(1) >= across[:, 1:-1]).sum(dim=1, keepdim=True)

        def at(values: Tensor, shift: int = 0) -> Tensor:
            return values.gather(1, number + shift).squeeze(1)

        left, width, bottom = at(across), at(across, 1) - at(across), at(up)
        rise, slope = self._in_bin((clamped - left) / width, at, theta)
        y = torch.where(inside, bottom + width * rise, u)
        return y, torch.where(inside, torch.log(slope), torch.zeros_like(u))


class LinearSplineMap(PolynomialSpline):
    """Bins of one width.  Mueller et al. (2019), "Neural importance sampling"."""

    kind = "linear_spline"
    numbers = ("bins", "bound", "centre")

    def __init__(self, bins: float, bound: float = 1.0, centre: float = 0.0) -> None:
        self.bins, self.bound, self.centre = int(bins), bound, centre

    @property
    def parameters(self) -> int:
        return self.bins

    def _axes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        return self._knots(torch.zeros_like(theta), 0.0), self._knots(theta, 0.0)

    def _in_bin(self, place: Tensor, bin: Callable[..., Tensor], theta: Tensor) -> Mapped:
        slope = bin(self.bins * torch.softmax(theta, dim=1))
        return slope * place, slope


class QuadraticSplineMap(PolynomialSpline):
    """Slopes that are linear in each bin.  Mueller et al. (2019)."""

    kind = "quadratic_spline"
    numbers = ("bins", "bound", "centre", "min_width", "min_height")

    def __init__(
        self,
        bins: float,
        bound: float = 1.0,
        centre: float = 0.0,
        tails: str = "linear",
        min_width: float = 1e-3,
        min_height: float = 1e-3,
    ) -> None:
        self.bins, self.bound, self.centre, self.tails = int(bins), bound, centre, tails
        self.min_width, self.min_height = min_width, min_height

    @property
    def parameters(self) -> int:
        return 2 * self.bins + (1 if self.tails == "free" else -1)

    def attributes(self) -> dict[str, Any]:
        return {"tails": self.tails, **super().attributes()}

    def _slopes(self, widths: Tensor, theta: Tensor) -> Tensor:
        """At the knots; widths are fractions of the interval."""
        raw = F.softplus(theta[:, self.bins :]) + 1e-3
        if self.tails == "linear":
            ends = 0.25 * (widths[:, :1] * raw[:, :1] + widths[:, -1:] * raw[:, -1:])
            inner = 0.5 * (raw[:, :-1] + raw[:, 1:]) * widths[:, 1:-1]
            both = ends + inner.sum(dim=1, keepdim=True)
            both = both / (1.0 - 0.25 * (widths[:, :1] + widths[:, -1:]))
            raw = torch.cat([both, raw, both], dim=1)
        area = (0.5 * (raw[:, :-1] + raw[:, 1:]) * widths).sum(dim=1, keepdim=True)
        return self.min_height + (1.0 - self.min_height) * raw / area

    def _cut(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The knots in u, their distances and the slopes there."""
        across = self._knots(theta[:, : self.bins], self.min_width)
        widths = across[:, 1:] - across[:, :-1]
        return across, widths, self._slopes(widths / (2.0 * self.bound), theta)

    def _axes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        across, widths, slopes = self._cut(theta)
        return across, self._ends(0.5 * (slopes[:, :-1] + slopes[:, 1:]) * widths)

    def _in_bin(self, place: Tensor, bin: Callable[..., Tensor], theta: Tensor) -> Mapped:
        slopes = self._cut(theta)[2]
        left, turn = bin(slopes), bin(slopes, 1) - bin(slopes)
        return place * (left + 0.5 * turn * place), left + turn * place


class CubicSplineMap(PolynomialSpline):
    """Inner slopes from the bins beside them.  Durkan et al. (2019), "Cubic-spline flows"."""

    kind = "cubic_spline"
    numbers = ("bins", "bound", "centre", "min_width", "min_height")

    def __init__(
        self,
        bins: float,
        bound: float = 1.0,
        centre: float = 0.0,
        min_width: float = 1e-3,
        min_height: float = 1e-3,
    ) -> None:
        self.bins, self.bound, self.centre = int(bins), bound, centre
        self.min_width, self.min_height = min_width, min_height

    @property
    def parameters(self) -> int:
        return 2 * self.bins + 2

    def _axes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        k = self.bins
        return (
            self._knots(theta[:, :k], self.min_width),
            self._knots(theta[:, k : 2 * k], self.min_height),
        )

    def _slopes(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The mean slopes of the bins, and the slopes at the knots."""
        widths, heights = (knots[:, 1:] - knots[:, :-1] for knots in self._axes(theta))
        mean = heights / widths
        a, b = widths[:, :-1], widths[:, 1:]
        parabola = (b * mean[:, :-1] + a * mean[:, 1:]) / (a + b)
        inner = torch.minimum(2.0 * torch.minimum(mean[:, :-1], mean[:, 1:]), parabola)
        ends = 3.0 * torch.sigmoid(theta[:, 2 * self.bins :])
        first, last = ends[:, :1] * mean[:, :1], ends[:, 1:] * mean[:, -1:]
        return mean, torch.cat([first, inner, last], dim=1)

    def _in_bin(self, place: Tensor, bin: Callable[..., Tensor], theta: Tensor) -> Mapped:
        means, slopes = self._slopes(theta)
        mean, left, right = bin(means), bin(slopes), bin(slopes, 1)
        square, cube = 3.0 * mean - 2.0 * left - right, left + right - 2.0 * mean
        rise = place * (left + place * (square + place * cube))
        return rise, left + place * (2.0 * square + 3.0 * place * cube)


NETWORK_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


class NetworkCurve(Curve):
    """A curve that is a network of u and a signal: one network for all coordinates, or one for
    each.  `arrays` are curve_weight_k and curve_bias_k of its linear maps."""

    kind = ""

    def __init__(self, curve_activation: str, **arrays: Any) -> None:
        self.curve_activation, self._arrays = curve_activation, arrays

    @property
    def signal(self) -> int:
        return int(self._arrays["curve_weight_0"].shape[-1]) - 1

    def arrays(self) -> dict[str, Any]:
        """The map's arrays in a record."""
        return self._arrays

    def attributes(self) -> dict[str, Any]:
        return {"curve_activation": self.curve_activation, **super().attributes()}

    def _activate(self, h: Tensor) -> Tensor:
        if self.curve_activation != "two_way_elu":
            return NETWORK_ACTIVATIONS[self.curve_activation](h)
        first, second = torch.chunk(h, 2, dim=2)
        return torch.cat([F.elu(first), -F.elu(-second)], dim=2)

    def _network(self, u: Tensor, signal: Tensor) -> Tensor:
        """m, [draw x coordinate]"""
        h = torch.cat([u.unsqueeze(2), signal.transpose(1, 2)], dim=2)
        layers = sum(name.startswith("curve_weight_") for name in self._arrays)
        for k in range(layers):
            weight, bias = (
                torch.as_tensor(self._arrays[f"curve_{name}_{k}"]).to(u)
                for name in ("weight", "bias")
            )
            if weight.dim() == 2:
                h = h @ weight.T + bias
            else:
                h = (weight @ h.unsqueeze(3)).squeeze(3) + bias
            h = self._activate(h) if k + 1 < layers else h
        return h[:, :, 0]


class MonotoneNetworkMap(NetworkCurve):
    """A network that rises with u.  Huang, Krueger, Lacoste & Courville (2018), "Neural
    autoregressive flows"."""

    kind = "monotone_network"
    numbers = ()

    @property
    def parameters(self) -> int:
        return self.signal

    def value(self, u: Tensor, theta: Tensor) -> Tensor:
        return self._network(u, theta)

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        """The slope is by automatic differentiation, also where the caller wants no gradient."""
        wanted = torch.is_grad_enabled() and (u.requires_grad or theta.requires_grad)
        with torch.enable_grad():
            # A copy: theta may depend on u too, which does not count here.
            inner = u.clone() if u.requires_grad else u.detach().requires_grad_()
            y = self._network(inner, theta)
            (slope,) = torch.autograd.grad(y.sum(), inner, create_graph=True)
        log_slope = slope.log()
        return (y, log_slope) if wanted else (y.detach(), log_slope.detach())


class IntegratedNetworkMap(NetworkCurve):
    """y = constant + int_0^u exp(m / (1 + |m / bound|)) dt, or of 1 + elu(m), by a Gauss-Legendre
    sum or one of given nodes and weights.  Wehenkel & Louppe (2019), "Unconstrained monotonic
    neural networks"."""

    kind = "integrated_network"
    numbers = ("points", "bound")

    def __init__(
        self,
        curve_activation: str,
        points: float = 32.0,
        bound: float = 7.0,
        integrand: str = "exp",
        **arrays: Any,
    ) -> None:
        super().__init__(curve_activation, **arrays)
        self.points, self.bound, self.integrand = int(points), bound, integrand
        rule: Any = np.polynomial.legendre.leggauss
        nodes, weights = rule(self.points)
        self.rule = arrays.get("nodes", 0.5 * (1.0 + nodes)), arrays.get("weights", 0.5 * weights)

    def attributes(self) -> dict[str, Any]:
        found = super().attributes()
        return found if self.integrand == "exp" else {**found, "integrand": self.integrand}

    @property
    def parameters(self) -> int:
        return self.signal + 1

    def _log_slope(self, u: Tensor, signal: Tensor) -> Tensor:
        m = self._network(u, signal)
        if self.integrand == "shifted_elu":
            return torch.where(m < 0.0, m, torch.log1p(m.clamp(min=0.0)))
        return m / (1.0 + torch.abs(m / self.bound))

    def value(self, u: Tensor, theta: Tensor) -> Tensor:
        """The sum; its derivative by u is the integrand, as of the integral that it stands for."""
        signal, end = theta[:, :-1], u
        u = end.detach()
        y = theta[:, -1]
        for node, weight in zip(*self.rule):
            y = y + weight * u * torch.exp(self._log_slope(node * u, signal))
        if not end.requires_grad:
            return y
        return y + torch.exp(self._log_slope(u, signal)).detach() * (end - u)

    def forward(self, u: Tensor, theta: Tensor) -> Mapped:
        return self.value(u, theta), self._log_slope(u, theta[:, :-1])


CURVES = (
    BernsteinMap,
    CubicSplineMap,
    GaussianizationMap,
    IntegratedNetworkMap,
    LinearSplineMap,
    MonotoneNetworkMap,
    QuadraticSplineMap,
    RationalLinearMap,
    SumOfSquaresMap,
)
