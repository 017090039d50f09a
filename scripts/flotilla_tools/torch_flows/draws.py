# SPDX-License-Identifier: BSD-3-Clause
"""Draws of a flow and densities of points, as NumPy arrays, in parts that fit into memory."""

from typing import Iterable, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.arrays import Array
from flotilla_tools.torch_flows.flow import Flow
from flotilla_tools.torch_flows.layers import Mapped

NUMBERS_AT_ONCE = 400_000
"""Coordinates of points that are handled at a time."""


class Points(NamedTuple):
    """Points x [n x dim], log q_X(x) and l = log|det J| at their latent points, both [n], in
    nats."""

    x: Array
    log_q: Array
    log_det: Array


@torch.no_grad()
def naive(flow: Flow, count: int, seed: int, temperature: float = 1.0) -> Points:
    """Independent draws x = f(T z), z ~ q_Z, of temperature T."""
    generator = torch.Generator().manual_seed(seed)
    z = temperature * flow.base.sample(count, generator, torch.float32)
    x, log_det = _joined(flow(part) for part in _parts(z))
    return Points(x.numpy(), (flow.base.log_density(z) - log_det).numpy(), log_det.numpy())


@torch.no_grad()
def at_points(flow: Flow, x: Array) -> Points:
    """What the flow makes of points of the data space, [n x dim], float."""
    z, log_det = _joined(flow.inverse(part) for part in _parts(torch.from_numpy(x)))
    return Points(x, (flow.base.log_density(z) - log_det).numpy(), log_det.numpy())


@torch.no_grad()
def base_log_density(flow: Flow, z: Array) -> Array:
    """log q_Z of latent points [... x dim], in double precision, [...]."""
    flat = torch.from_numpy(z.reshape(-1, z.shape[-1])).double()
    return np.asarray(flow.base.log_density(flat).numpy().reshape(z.shape[:-1]))


def _parts(points: Tensor) -> Iterable[Tensor]:
    parts: Iterable[Tensor] = points.split(max(1, NUMBERS_AT_ONCE // points.shape[1]))
    return parts


def _joined(parts: Iterable[Mapped]) -> Mapped:
    points, log_det = zip(*parts)
    return torch.cat(points), torch.cat(log_det)
