# SPDX-License-Identifier: BSD-3-Clause
"""A few classes with the names, entries and arithmetic of nflows, for tests without the library."""

import math

import torch
from torch import nn


class StandardNormal(nn.Module):
    def __init__(self, shape):
        super().__init__()
        log_z = torch.tensor(0.5 * shape[0] * math.log(2.0 * math.pi), dtype=torch.float64)
        self.register_buffer("_log_z", log_z, persistent=False)

    def log_prob(self, z):
        return -0.5 * (z * z).sum(dim=1) - self._log_z


class PointwiseAffineTransform(nn.Module):
    def __init__(self, shift, scale):
        super().__init__()
        self.register_buffer("_shift", torch.as_tensor(shift))
        self.register_buffer("_scale", torch.as_tensor(scale))

    def inverse(self, x, context=None):
        log_det = -torch.log(self._scale.abs()).expand(x.shape[1]).sum()
        return (x - self._shift) / self._scale, log_det.expand(len(x))


class ResidualNet(nn.Module):
    """One without blocks: two linear maps, the first of the inputs and the context."""

    def __init__(self, inputs, outputs, hidden, context_features):
        super().__init__()
        self.context_features = context_features
        self.blocks = nn.ModuleList()
        self.initial_layer = nn.Linear(inputs + (context_features or 0), hidden)
        self.final_layer = nn.Linear(hidden, outputs)

    def forward(self, inputs, context=None):
        told = inputs if context is None else torch.cat([inputs, context], dim=1)
        return self.final_layer(self.initial_layer(told))


class AffineCouplingTransform(nn.Module):
    scale_activation = staticmethod(lambda s: torch.sigmoid(s + 2.0) + 1e-3)

    def __init__(self, moved, kept, hidden=6, context_features=None):
        super().__init__()
        self.register_buffer("transform_features", torch.tensor(moved))
        self.register_buffer("identity_features", torch.tensor(kept))
        self.transform_net = ResidualNet(len(kept), 2 * len(moved), hidden, context_features)

    def inverse(self, y, context=None):
        shift, unconstrained = self.transform_net(y[:, self.identity_features], context).chunk(2, 1)
        scale = self.scale_activation(unconstrained)
        x = y.clone()
        x[:, self.transform_features] = (y[:, self.transform_features] - shift) / scale
        return x, -torch.log(scale).sum(dim=1)


class LeakyReLU(nn.Module):
    """Its logarithm is no buffer: it stays in single precision whatever the module is made."""

    def __init__(self, negative_slope=0.2):
        super().__init__()
        self.negative_slope = negative_slope
        self.log_negative_slope = torch.log(torch.as_tensor(negative_slope, dtype=torch.float32))

    def inverse(self, x, context=None):
        negative = (x < 0.0).to(x.dtype)
        scale = 1.0 + negative * (1.0 / self.negative_slope - 1.0)
        return x * scale, -(self.log_negative_slope * negative).sum(dim=1)


class NaiveNeuralTransform(nn.Module):
    """A layer that flow files do not have."""


class CompositeTransform(nn.Module):
    def __init__(self, transforms):
        super().__init__()
        self._transforms = nn.ModuleList(transforms)

    def inverse(self, z, context=None):
        log_det = z.new_zeros(len(z))
        for transform in reversed(self._transforms):
            z, change = transform.inverse(z, context)
            log_det = log_det + change
        return z, log_det


class Flow(nn.Module):
    def __init__(self, transform, distribution, embedding_net=None):
        super().__init__()
        self._transform, self._distribution = transform, distribution
        self._embedding_net = embedding_net or nn.Identity()
