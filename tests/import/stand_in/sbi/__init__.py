# SPDX-License-Identifier: BSD-3-Clause
"""A few classes with the names and attributes of sbi, for tests without the library."""

import torch
from torch import nn


class Standardize(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("_mean", torch.as_tensor(mean))
        self.register_buffer("_std", torch.as_tensor(std))

    def forward(self, x):
        return (x - self._mean) / self._std


class NFlowsFlow(nn.Module):
    def __init__(self, net, condition_shape):
        super().__init__()
        self.net, self.condition_shape = net, torch.Size(condition_shape)


class DirectPosterior:
    def __init__(self, posterior_estimator, prior, x):
        self.posterior_estimator, self.prior, self._x = posterior_estimator, prior, x


class MCMCPosterior:
    def __init__(self):
        self.potential_fn = None
