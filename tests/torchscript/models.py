# SPDX-License-Identifier: BSD-3-Clause
"""Flows for TorchScript that flow files cannot hold, continuous and residual, and modules with
mistakes of users.

Weights are random but fixed. The tests check that the program runs them as PyTorch does.
"""

import torch
from torch import nn

DIM = 3
HIDDEN = 16


def fixed_linear(inputs, outputs, spread, seed):
    linear = nn.Linear(inputs, outputs)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        linear.weight.copy_(spread * torch.randn(outputs, inputs, generator=generator))
        linear.bias.copy_(0.3 * torch.randn(outputs, generator=generator))
    return linear


class Field(nn.Module):
    """A vector field of two tanh layers; its divergence is exact, without automatic differentiation."""

    def __init__(self):
        super().__init__()
        self.first = fixed_linear(DIM + 1, HIDDEN, 0.7, 1)
        self.last = fixed_linear(HIDDEN, DIM, 0.5, 2)

    def forward(self, y, time):
        hidden = torch.tanh(self.first(torch.cat([y, time.expand(len(y), 1)], dim=1)))
        # trace of W_2 diag(1 - h^2) W_1, its columns of y alone
        between = (self.last.weight.t() * self.first.weight[:, :DIM]).sum(dim=1)
        return self.last(hidden), ((1.0 - hidden * hidden) * between).sum(dim=1)


class Continuous(nn.Module):
    """dx/dt = field(x, t) from 0 to 1 by RK4 of fixed steps, log det the integral of the
    divergence (Chen et al. 2018)."""

    STEPS = 20

    def __init__(self):
        super().__init__()
        self.field = Field()

    def _integrate(self, y, begin, step):
        log_det = torch.zeros_like(y[:, 0])
        for k in range(self.STEPS):
            time = torch.full_like(y[:1, :1], begin + k * step)
            v1, d1 = self.field(y, time)
            v2, d2 = self.field(y + 0.5 * step * v1, time + 0.5 * step)
            v3, d3 = self.field(y + 0.5 * step * v2, time + 0.5 * step)
            v4, d4 = self.field(y + step * v3, time + step)
            y = y + step / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
            log_det = log_det + step / 6.0 * (d1 + 2.0 * d2 + 2.0 * d3 + d4)
        return y, log_det

    def forward(self, z):
        return self._integrate(z, 0.0, 1.0 / self.STEPS)

    def inverse(self, x):
        return self._integrate(x, 1.0, -1.0 / self.STEPS)


class Residual(nn.Module):
    """x = z + g(z), g with a Lipschitz constant of at most 1/2, inverted by fixed-point iteration
    (Behrmann et al. 2019)."""

    ITERATIONS = 60

    def __init__(self):
        super().__init__()
        self.first = fixed_linear(DIM, HIDDEN, 1.0, 3)
        self.last = fixed_linear(HIDDEN, DIM, 1.0, 4)
        with torch.no_grad():
            for linear, bound in ((self.first, 1.0), (self.last, 0.5)):
                linear.weight.mul_(bound / torch.linalg.matrix_norm(linear.weight, 2))

    def _g(self, z):
        return self.last(torch.tanh(self.first(z)))

    def _log_det(self, z):
        hidden = torch.tanh(self.first(z))
        slopes = (1.0 - hidden * hidden)[:, :, None] * self.first.weight
        jacobian = self.last.weight @ slopes + torch.eye(DIM, dtype=z.dtype)
        return torch.linalg.slogdet(jacobian)[1]

    def forward(self, z):
        return z + self._g(z), self._log_det(z)

    def inverse(self, x):
        z = x
        for _ in range(self.ITERATIONS):
            z = x - self._g(z)
        return z, self._log_det(z)


class Shear(nn.Module):
    """x1 = z1, x2 = z2 exp(z1), in the sampling direction only."""

    def forward(self, z):
        return torch.stack([z[:, 0], z[:, 1] * torch.exp(z[:, 0])], dim=1), z[:, 0]


class ShearBothWays(Shear):
    def inverse(self, x):
        return torch.stack([x[:, 0], x[:, 1] * torch.exp(-x[:, 0])], dim=1), -x[:, 0]


class ZerosInside(ShearBothWays):
    """The shear flow with tensors that have no type of their own: they have the module's."""

    def forward(self, z):
        x, log_det = super().forward(z)
        return (x + torch.zeros(len(z), 2)) @ torch.eye(2), log_det + torch.zeros(len(z))


class Differentiating(nn.Module):
    """x = z + tanh(z) / 2 in every coordinate, whose slope automatic differentiation finds."""

    def _value_and_log_det(self, z):
        with torch.enable_grad():
            z = z.clone().requires_grad_()
            value = z + 0.5 * torch.tanh(z)
            (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
        return value, torch.log(slope).sum(dim=1)

    def forward(self, z):
        return self._value_and_log_det(z)

    def inverse(self, x):
        z = x
        for _ in range(60):
            z = x - 0.5 * torch.tanh(z)
        return z, self._value_and_log_det(z)[1]


class BeyondABound(nn.Module):
    """x = 2 z within 2.5, and z plus or minus 2.5 beyond, by an assignment to some of the points."""

    def forward(self, z):
        far = z.abs() > 2.5
        x, log_det = 2.0 * z, torch.full_like(z, 0.6931471805599453)
        x[far] = (z + 2.5 * torch.sign(z))[far]
        log_det[far] = 0.0
        return x, log_det.sum(dim=1)


def transformed():
    """A distribution of PyTorch: its base, its transforms, one of them with weights of no module."""
    base = torch.distributions.Normal(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 2.0]))
    scale = torch.distributions.AffineTransform(torch.tensor([0.3, 0.1]), torch.tensor([2.0, 0.5]))
    return torch.distributions.TransformedDistribution(
        torch.distributions.Independent(base, 1), [scale, torch.distributions.SigmoidTransform()]
    )


class StandardNormal(nn.Module):
    """As nflows has it."""

    _shape = (2,)

    def log_prob(self, z, context=None):
        return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1)


class Sheared(nn.Module):
    """The shear flow by a context, from data to noise, as layers of nflows are."""

    def forward(self, x, context=None):
        by = context[:, :1] * x[:, :1]
        return torch.cat([x[:, :1], x[:, 1:] * torch.exp(-by)], dim=1), -by[:, 0]

    def inverse(self, z, context=None):
        by = context[:, :1] * z[:, :1]
        return torch.cat([z[:, :1], z[:, 1:] * torch.exp(by)], dim=1), by[:, 0]


class OfALibrary(nn.Module):
    """A flow made of what flows of nflows are made of."""

    def __init__(self):
        super().__init__()
        self._transform, self._distribution = Sheared(), StandardNormal()
        self._embedding_net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self._embedding_net.weight, 2.0)


class InputOutsideDomain(Exception):
    """As nflows has it: without a message."""


class OnAnInterval(ShearBothWays):
    def forward(self, z):
        raise InputOutsideDomain()


class WithoutADirection(ShearBothWays):
    def inverse(self, x):
        raise NotImplementedError("This flow has no algebraic inverse.")


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(context, z):
        return 2.0 * z

    @staticmethod
    def backward(context, along):
        return 3.0 * along  # says something else than what was computed


class OwnDerivative(Shear):
    """A trace does not hold the derivative that an autograd function of its own has."""

    def forward(self, z):
        return OwnFunction.apply(z), z[:, 0] * 0.0 + 1.3862943611198906


class NotANumber(ShearBothWays):
    """The shear flow, but NaN for z1 > 3."""

    def forward(self, z):
        x, log_det = super().forward(z)
        return torch.where(z[:, :1] > 3.0, torch.full_like(x, float("nan")), x), log_det


class WrongInverse(ShearBothWays):
    def inverse(self, x):
        return x + 1.0, -x[:, 0]


class WrongLogDet(ShearBothWays):
    def inverse(self, x):
        z, log_det = super().inverse(x)
        return z, log_det + 0.5


class WrongShape(Shear):
    def forward(self, z):
        return z, z


class Branching(Shear):
    """A trace cannot hold this: an operation that depends on values."""

    def forward(self, z):
        scale = 2.0 if bool(z[0, 0] > 0.0) else 3.0
        return scale * z, z[:, 0]


class Converging(Shear):
    """Iterates until the whole batch has converged: a trace keeps one number of iterations."""

    def forward(self, z):
        scale, done = torch.ones_like(z[:, :1]), False
        while not done:  # Newton's method for exp(z1 / 2)
            following = 0.5 * (scale + torch.exp(z[:, :1]) / scale)
            done = bool((following - scale).abs().max() < 1e-3)
            scale = following
        return torch.cat([z[:, :1], z[:, 1:] * scale], dim=1), torch.log(scale[:, 0])


class Gregarious(Shear):
    """Each chain is shifted by the mean of all."""

    def forward(self, z):
        return z + z.mean(dim=0, keepdim=True), z[:, 0] * 0.0


class Raising(nn.Module):
    """TorchScript that raises an error if a point is far out."""

    def forward(self, z: torch.Tensor):
        if bool((z.abs() > 4.5).any()):
            raise ValueError("too far out")
        return z * 1.0, z[:, 0] * 0.0


def raising():
    return torch.jit.script(Raising())


class Banana(nn.Module):
    """x0 ~ N(0, 1), x1 given x0 ~ N(x0^2 / 2, 1): a log density, without its constant."""

    def forward(self, x):
        return -0.5 * x[:, 0] ** 2 - 0.5 * (x[:, 1] - 0.5 * x[:, 0] ** 2) ** 2


class HalfBanana(Banana):
    """The banana where x0 > 0."""

    def forward(self, x):
        nothing = torch.full_like(x[:, 0], -float("inf"))
        return torch.where(x[:, 0] > 0.0, super().forward(x), nothing)


class Network(nn.Module):
    """A log density with weights: a network of two tanh layers, with tails of N(0, I)."""

    def __init__(self):
        super().__init__()
        self.first = fixed_linear(DIM, HIDDEN, 0.7, 5)
        self.last = fixed_linear(HIDDEN, 1, 0.5, 6)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))[:, 0] - 0.5 * (x * x).sum(dim=1)


class ConstantDensity(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), dtype=x.dtype)


class GregariousDensity(Banana):
    """Each log density is moved by the mean of all points."""

    def forward(self, x):
        return super().forward(x) + x.mean()


class PairedDensity(Banana):
    """It returns what a flow does."""

    def forward(self, x):
        return x, super().forward(x)


class RaisingDensity(nn.Module):
    """A uniform log density that raises an error far out."""

    def forward(self, x: torch.Tensor):
        if bool((x.abs() > 4.5).any()):
            raise ValueError("too far out")
        return 0.0 * x[:, 0]


def raising_density():
    return torch.jit.script(RaisingDensity())
