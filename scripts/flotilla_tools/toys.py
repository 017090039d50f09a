# SPDX-License-Identifier: BSD-3-Clause
"""Three planar data sets whose support and modes are known exactly.

Each toy puts its draws on a few curves or points (its modes), one chosen uniformly, and adds
isotropic normal noise of standard deviation `noise`.  The distance of any x to each mode is then
a formula.  It tells which mode x belongs to, and whether x is off the support: farther from all
modes than noise can explain, on a bridge that the data does not have.
"""

import re
from pathlib import Path

import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import has_group, opened, scalars_of

SUPPORT_WIDTHS = 4.0
"""A draw farther than this many noise standard deviations from every mode is off the support."""


class ToySet:
    """Shared by the toys.  Subclasses give `modes`, `_points` and `distances`."""

    dim = 2

    def __init__(self, name: str, modes: int, noise: float) -> None:
        if not noise > 0:
            raise InputError(f"expected a noise standard deviation above 0, found {noise}")
        self.name = name
        self.modes = modes
        self.noise = noise

    def sample(self, draws: int, rng: np.random.Generator) -> Array:
        """`draws` fresh draws, [draws x 2]."""
        mode = rng.integers(self.modes, size=draws)
        return self._points(mode, rng) + self.noise * rng.standard_normal((draws, 2))

    def mode_of(self, x: Array) -> Array:
        """Index of the nearest mode, [n]."""
        return self.distances(x).argmin(axis=1)

    def off_support(self, x: Array, widths: float = SUPPORT_WIDTHS) -> Array:
        """True where x is farther than `widths` noise standard deviations from every mode, [n]."""
        return ~(self.distances(x).min(axis=1) <= widths * self.noise)  # NaN is off the support

    def on_modes(self, points: int, rng: np.random.Generator) -> Array:
        """[points x 3]: noise-free points, each with the number of its mode."""
        mode = np.arange(points) % self.modes
        return np.column_stack([self._points(mode, rng), mode])

    def _points(self, mode: Array, rng: np.random.Generator) -> Array:
        """Noise-free points on the given modes, [n x 2]."""
        raise NotImplementedError

    def distances(self, x: Array) -> Array:
        """Distance of each x [n x 2] to each mode, [n x modes]."""
        raise NotImplementedError


class TwoMoons(ToySet):
    """Two unit half circles, interleaved: the upper about (0, 0), the lower about (1, 1/4)."""

    centres = np.array([[0.0, 0.0], [1.0, 0.25]])
    sides = np.array([1.0, -1.0])

    def __init__(self, noise: float = 0.06) -> None:
        super().__init__("two_moons", 2, noise)

    def _points(self, mode: Array, rng: np.random.Generator) -> Array:
        angle = np.pi * rng.random(len(mode))
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return self.centres[mode] + self.sides[mode, None] * circle

    def distances(self, x: Array) -> Array:
        return np.stack([self._to_arc(x, i) for i in range(2)], axis=1)

    def _to_arc(self, x: Array, mode: int) -> Array:
        """Distance to an arc: radial where the arc faces x, else to the nearer end."""
        u, v = (self.sides[mode] * (x - self.centres[mode])).T
        return np.where(v >= 0, np.abs(np.hypot(u, v) - 1), np.hypot(np.abs(u) - 1, v))


class Gaussians(ToySet):
    """`modes` isotropic Gaussians, evenly spaced on the circle of radius 2."""

    radius = 2.0

    def __init__(self, modes: int, noise: float = 0.15) -> None:
        if modes < 1:
            raise InputError(f"expected at least one Gaussian, found gaussians_{modes}")
        super().__init__(f"gaussians_{modes}", modes, noise)
        angle = 2 * np.pi * np.arange(modes) / modes
        self.centres = self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def _points(self, mode: Array, rng: np.random.Generator) -> Array:
        return self.centres[mode]

    def distances(self, x: Array) -> Array:
        return np.linalg.norm(x[:, None, :] - self.centres, axis=2)


class Rings(ToySet):
    """Three concentric circles of radius 1, 2 and 3, of equal weight."""

    radii = np.array([1.0, 2.0, 3.0])

    def __init__(self, noise: float = 0.08) -> None:
        super().__init__("rings", 3, noise)

    def _points(self, mode: Array, rng: np.random.Generator) -> Array:
        angle = 2 * np.pi * rng.random(len(mode))
        return self.radii[mode, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def distances(self, x: Array) -> Array:
        return np.abs(np.hypot(x[:, 0], x[:, 1])[:, None] - self.radii)


def toy_set(name: str, noise: float | None = None) -> ToySet | None:
    """The toy of this name: two_moons, rings or gaussians_K; None if there is no such toy."""
    options = {} if noise is None else {"noise": noise}
    if name == "two_moons":
        return TwoMoons(**options)
    if name == "rings":
        return Rings(**options)
    gaussians = re.fullmatch(r"gaussians_(\d{1,4})", name)
    return Gaussians(int(gaussians[1]), **options) if gaussians else None


def provenance_of(flow: Path) -> dict[str, str | int | float]:
    """What a flow file says of its training; empty if it says nothing."""
    with opened(flow, "a flow file") as file:
        return scalars_of(file["provenance"]) if has_group(file, "provenance") else {}


def toy_of_flow(flow: Path) -> ToySet | None:
    """The toy that a flow file says it was trained on; None if it was anything else."""
    provenance = provenance_of(flow)
    noise = provenance.get("dataset_noise")
    found = noise if isinstance(noise, (int, float)) else None
    return toy_set(str(provenance.get("dataset", "")), found)
