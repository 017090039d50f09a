# SPDX-License-Identifier: BSD-3-Clause
"""The parts of a run file that pictures show, read in bounded memory."""

from pathlib import Path
from typing import Any, Mapping, NamedTuple

import h5py
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.hdf5_files import Unfit, dataset, has_group, opened, scalars_of, whole
from flotilla_tools.run_draws import committed

MOST_POINTS = 200_000
"""Of the points behind a density or a share."""

MOST_VALUES = 500_000
"""Coordinates of these points together: fewer points where each has many."""

COORDINATES = 3
"""Most coordinates that are drawn, from the first on."""

TRACED_CHAINS = 4
LONGEST_TRACE = 400
IMAGES = 16
"""In a row."""


class Run(NamedTuple):
    """What a picture needs of a run."""

    facts: Mapping[str, str | int | float]  # the root attributes
    chains: int
    draws: int  # committed
    draws_wanted: int
    dim: int
    x: Array  # [chain x draw x dim], of points spread evenly over the run
    z: Array | None  # latent, where the file has them
    log_det: Array  # [chain x draw], l(z) of as many points as there can be (nats)
    traces: Array  # [chain x draw x coordinate], of the first ones
    energies: Mapping[str, Array]  # lp and l(z) of the same draws, [chain x draw] (nats)
    trace_draws: Array  # their indices [draw]
    windows: Mapping[str, Array]  # of warm-up: name -> [window]
    start: Array | None  # of the first chains [chain x dim]; likewise the next
    last: Array
    along: Array  # [draw x dim] of the first chain
    acceptance_rate: float  # of local moves in the sampling phase
    step_size: float

    @property
    def points(self) -> int:
        """How many points x, z and log_det have."""
        return int(np.prod(self.x.shape[:2]))

    def text(self, name: str) -> str:
        """A root attribute as text."""
        return str(self.facts.get(name, "unknown"))

    def number(self, name: str) -> float:
        """A root attribute as a number, NaN where it is none."""
        value = self.facts.get(name)
        return float(value) if isinstance(value, (int, float)) else float("nan")


def read_run(path: Path) -> Run:
    """What a run file holds, up to its last committed draw."""
    with opened(path, "a run file of flotilla sample") as file:
        return run_of(file)


def run_of(file: h5py.File) -> Run:
    x = dataset(file, "posterior/x", 3)
    chains, draws_wanted, dim = x.shape
    draws = committed(file, draws_wanted)
    if 0 in (chains, draws, dim):
        raise Unfit("found one without a committed draw: run on")
    if dim > MOST_VALUES:
        raise Unfit(f"found one with {dim:,} coordinates: {MOST_VALUES:,} have room")
    points, many, few = Spread(chains, draws, dim), Spread(chains, draws, 1), min(dim, COORDINATES)
    stats = {name: dataset(file, f"sample_stats/{name}", 2) for name in STATISTICS}
    for name, values in stats.items():
        if values.shape != (chains, draws_wanted):
            raise Unfit(f"found one where {name} has other chains or draws than x")
    sparse = slice(0, draws, -(-draws // LONGEST_TRACE))
    return Run(
        facts=scalars_of(file),
        chains=chains,
        draws=draws,
        draws_wanted=draws_wanted,
        dim=dim,
        x=points.of(x),
        z=latent_points(file, points, x.shape),
        log_det=many.of(stats["log_det_jacobian"]),
        traces=x[:TRACED_CHAINS, sparse, :few],
        energies={n: stats[n][:TRACED_CHAINS, sparse] for n in ("lp", "log_det_jacobian")},
        trace_draws=np.arange(draws)[sparse],
        windows=windows_of(file),
        start=starts_of(file, dim),
        last=x[:IMAGES, draws - 1],
        along=x[0, np.unique(np.linspace(0, draws - 1, IMAGES).astype(int))],
        acceptance_rate=local_acceptance(stats, many),
        step_size=float(stats["step_size"][0, 0]),
    )


STATISTICS = ("lp", "log_det_jacobian", "acceptance_rate", "is_global", "step_size")
"""Of sample_stats, what is looked at."""


def points_of(dim: int) -> int:
    """How many points of this dimension a picture has room for."""
    return max(1, min(MOST_POINTS, MOST_VALUES // dim))


class Spread:
    """A choice of chains and draws, spread evenly over a run."""

    def __init__(self, chains: int, draws: int, dim: int) -> None:
        most = points_of(dim)
        chain_step = -(-chains // most)
        draw_step = -(-draws // (most // -(-chains // chain_step)))
        # Of a coarse selection take the last draws: they are the farthest from warm-up.
        first = (draws - 1) % draw_step
        self.selection = np.s_[::chain_step, first:draws:draw_step]

    def of(self, values: h5py.Dataset) -> Array:
        """Of values [chain x draw x ...], those of the choice."""
        return np.asarray(values[self.selection])


def latent_points(file: h5py.File, points: Spread, shape: tuple[int, ...]) -> Array | None:
    """The latent points of the choice, where a run has kept them."""
    if not has_group(file, "unconstrained_posterior"):
        return None
    z = dataset(file, "unconstrained_posterior/z", 3)
    if z.shape != shape:
        raise Unfit(f"found one where z is {z.shape} and x {shape}")
    return points.of(z)


def windows_of(file: h5py.File) -> dict[str, Array]:
    """Figures of the windows of warm-up; none where there was none."""
    if not has_group(file, "adaptation"):
        return {}
    names = ("step_size", "acceptance_rate", "global_acceptance_rate")
    return {name: whole(file, f"adaptation/{name}") for name in names}


def starts_of(file: h5py.File, dim: int) -> Array | None:
    """Where the first chains began, [chain x dim]."""
    if not has_group(file, "start"):
        return None
    start = dataset(file, "start/x", 2)
    if start.shape[1] != dim:
        raise Unfit(f"found one where chains start in {start.shape[1]} dimensions of {dim}")
    return np.asarray(start[:IMAGES])


def local_acceptance(stats: Mapping[str, Any], points: Spread) -> float:
    """The acceptance rate of local moves in the sampling phase, NaN if there were none."""
    local = points.of(stats["is_global"]) == 0
    accepted = points.of(stats["acceptance_rate"])[local]
    return float(accepted.mean()) if len(accepted) else float("nan")
