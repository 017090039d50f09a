#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains a neural autoregressive flow of zuko and exports it: fixtures/zuko_naf.pt.

    PYTHONPATH=zuko tests/torchscript/train_naf.py

Needs a clone of github.com/probabilists/zuko.  Takes a minute.  Another version of PyTorch may give
another file.
"""

import copy
import sys
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

import zuko  # noqa: E402

from flotilla_tools.torch_flows.torchscript import export_torchscript  # noqa: E402

DIM, SIGNAL, STEPS, BATCH, RATE = 3, 8, 800, 256, 3e-3
BISECTIONS, BOUND = 60, 60.0


def monotone(network, which, values, signal):
    """(f, f') of zuko's monotonic networks, one a coordinate, of the coordinates `which`, at values
    [n x coordinate], their signals [n x coordinate x signal].

    The derivative is carried along: a trace cannot hold a call of automatic differentiation.
    """
    h = torch.cat([values[..., None], signal], dim=-1)
    slope = torch.cat([torch.ones_like(values[..., None]), torch.zeros_like(signal)], dim=-1)
    for layer in network:
        if isinstance(layer, zuko.nn.TwoWayELU):
            half = h.shape[-1] // 2
            sign = torch.cat([torch.ones_like(h[..., :half]), -torch.ones_like(h[..., half:])], -1)
            slope = slope * torch.exp(torch.clamp(sign * h, max=0.0))
            h = layer(h)
        else:
            weight = layer.weight[which].abs()
            h = (weight @ h[..., None]).squeeze(-1) + layer.bias[which]
            slope = (weight @ slope[..., None]).squeeze(-1)
    return h.squeeze(-1), slope.squeeze(-1)


class Autoregressive(nn.Module):
    """One autoregressive transform of zuko, data to z. The way back avoids its autograd function."""

    def __init__(self, transform):
        super().__init__()
        self.hyper, self.network = transform.hyper, transform.univariate.network
        self.order = [int(i) for i in torch.argsort(transform.order)]

    def _signal(self, x):
        return self.hyper(x).unflatten(-1, (DIM, SIGNAL))

    def forward(self, x):
        y, slope = monotone(self.network, slice(0, DIM), x, self._signal(x))
        return y, torch.log(slope).sum(dim=1)

    def inverse(self, y):
        """Coordinate by coordinate: finds a root without a graph, then makes a Newton step from it
        with a constant slope. The step has the root's value and derivatives."""
        x = torch.zeros_like(y)
        for i in self.order:
            own = slice(i, i + 1)
            signal, target = self._signal(x)[:, own], y[:, own]
            root = self._bisect(own, target.detach(), signal.detach())
            value, slope = monotone(self.network, own, root, signal)
            found = root + (target - value) / slope.detach()
            x = torch.cat([x[:, :i], found, x[:, i + 1 :]], dim=1)
        return x

    def _bisect(self, own, target, signal):
        low, high = torch.full_like(target, -BOUND), torch.full_like(target, BOUND)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            below = monotone(self.network, own, middle, signal)[0] < target
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (0.5 * (low + high)).detach()


class Softclip(nn.Module):
    """y = x / (1 + |x / bound|)."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def forward(self, x):
        stretch = 1.0 + torch.abs(x / self.bound)
        return x / stretch, -2.0 * torch.log(stretch).sum(dim=1)

    def inverse(self, y):
        return y / (1.0 - torch.abs(y / self.bound))


class Sampling(nn.Module):
    """A zuko flow, which maps data to z, in the sampling direction and back."""

    def __init__(self, flow):
        super().__init__()
        parts = []
        for transform in flow.transform.transforms:
            if isinstance(transform, zuko.flows.MaskedAutoregressiveTransform):
                parts.append(Autoregressive(transform))
            else:
                parts.append(Softclip(transform().bound))
        self.parts = nn.ModuleList(parts)

    def inverse(self, x):
        log_det = torch.zeros_like(x[:, 0])
        for part in self.parts:
            x, change = part(x)
            log_det = log_det + change
        return x, log_det

    def forward(self, z):
        for part in reversed(self.parts):
            z = part.inverse(z)
        return z, -self.inverse(z)[1]


def expect_the_same(flow, module):
    """Checks that the module computes what zuko does, before anything is written."""
    x = draws(torch.Generator().manual_seed(2)).double()
    flow = copy.deepcopy(flow).double()
    (z, log_det), (found, change) = (
        flow().transform.call_and_ladj(x), copy.deepcopy(module).double().inverse(x)
    )
    distance = max(float((z - found).abs().max()), float((log_det - change).abs().max()))
    if not distance < 1e-10:
        sys.exit(f"expected what zuko computes, found it {distance:.1e} away")


def draws(generator):
    """Draws: two moons, with a wave in the third coordinate."""
    angle = torch.pi * torch.rand(BATCH, generator=generator)
    side = 2.0 * (torch.rand(BATCH, generator=generator) < 0.5) - 1.0
    x = torch.stack([side * torch.cos(angle) + 0.5 * side, side * (torch.sin(angle) - 0.3)], dim=1)
    x = torch.cat([x, torch.sin(2.0 * x[:, :1])], dim=1)
    return x + 0.15 * torch.randn(BATCH, DIM, generator=generator)


def train():
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    flow = zuko.flows.NAF(
        DIM, transforms=2, signal=SIGNAL, hidden_features=(24, 24), activation=nn.Tanh,
        network={"hidden_features": (8, 8)},
    )
    optimizer = torch.optim.Adam(flow.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = -flow().log_prob(draws(generator)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
    print(f"loss {float(loss):.3f} nats after {STEPS} steps")
    return flow.eval()


def main():
    torch.set_num_threads(1)
    flow = train()
    module = Sampling(flow)
    expect_the_same(flow, module)
    path = HERE / "fixtures/zuko_naf.pt"
    export_torchscript(module, path, DIM, provenance={"exported_from": "zuko.flows.NAF"})
    print(path)


if __name__ == "__main__":
    main()
