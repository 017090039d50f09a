# SPDX-License-Identifier: BSD-3-Clause
"""Means and their standard errors."""

import math
from typing import NamedTuple

import numpy as np

from flotilla_tools.arrays import Array


class Estimate(NamedTuple):
    """A mean and its standard error, which is NaN for a single value."""

    mean: float
    error: float


def estimate(values: Array) -> Estimate:
    """The mean of independent values [n]: means of chains, figures of repeats."""
    if len(values) < 2:
        return Estimate(float(values.mean()), float("nan"))
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))


def split_r_hat(chains: Array) -> Array:
    """Split R-hat of [chain x draw] or of each column of [chain x draw x value]: the halves of each
    chain count as chains (Gelman et al. 2013)."""
    half = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :half], chains[:, -half:]])
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = half * halves.mean(axis=1).var(axis=0, ddof=1)
    found: Array = np.sqrt(((half - 1) / half * within + between / half) / within)
    return found
