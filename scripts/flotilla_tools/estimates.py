# SPDX-License-Identifier: BSD-3-Clause
"""Means and their standard errors."""

import math
from typing import NamedTuple

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
