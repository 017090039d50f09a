# SPDX-License-Identifier: BSD-3-Clause
"""Observations y = A x + noise of images, as `flotilla sample --observe` reads them."""

import math
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from flotilla_tools.arrays import Array, read_array
from flotilla_tools.errors import InputError

HIDDEN = ("random", "left", "bottom", "centre")
"""Which half of the pixels is not observed."""


class Observation(NamedTuple):
    """What is observed of an image [pixel]. Of A it has the matrix or the pixels that it picks."""

    truth: Array
    y: Array
    noise: float
    indices: Array | None = None
    operator: Array | None = None


def read_image(name: str, row: int) -> Array:
    """[pixel], float: a row of an array of images, whatever dimensions come before the last.

    image_set.py writes such an array; the draws of a run, RUN.h5:posterior/x, are one too.
    """
    images = read_array(name, "an array [image x pixel]")
    if images.ndim < 2:
        raise InputError(f"expected an array [image x pixel], found {images.shape} in {name}")
    images = images.reshape(-1, images.shape[-1])
    if not 0 <= row < len(images):
        raise InputError(f"expected a row from 0 to {len(images) - 1} of {name}, found {row}")
    image: Array = images[row].astype(float)
    if not np.isfinite(image).all():
        raise InputError(f"expected finite pixels, found others in row {row} of {name}")
    return image


def side_of(pixels: int) -> int:
    """Rows, and columns, of a square image of this many pixels."""
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise InputError(f"expected a square image, found {pixels} pixels")
    return side


def seen_pixels(hidden: str | None, side: int, rng: np.random.Generator) -> Array:
    """The pixels that are observed, in order: all, or all but one of HIDDEN."""
    seen = np.ones((side, side), dtype=bool)
    if hidden == "left":
        seen[:, : side // 2] = False
    elif hidden == "bottom":
        seen[(side + 1) // 2 :] = False
    elif hidden == "centre":  # a square of half of the pixels
        rows = np.abs(np.arange(side) - (side - 1) / 2) < side / math.sqrt(8)
        seen[np.ix_(rows, rows)] = False
    elif hidden == "random":
        seen.flat[rng.permutation(side * side)[: side * side // 2]] = False
    return np.flatnonzero(seen)


def blur(side: int, width: float) -> Array:
    """[pixel x pixel]: each pixel becomes a mean with the weights of a Gaussian of this width in
    pixels; what lies beyond the edge does not count."""
    gap = np.subtract.outer(np.arange(side), np.arange(side))
    line = np.exp(-0.5 * (gap / width) ** 2)
    line /= line.sum(axis=1, keepdims=True)
    return np.kron(line, line)


def downsampling(side: int, factor: int) -> Array:
    """[pixel of the small image x pixel]: means over squares of factor x factor pixels."""
    if side % factor:
        raise InputError(f"expected a factor that divides the side {side}, found {factor}")
    line = np.kron(np.eye(side // factor), np.full(factor, 1.0 / factor))
    return np.kron(line, line)


def observe(
    truth: Array,
    noise: float,
    rng: np.random.Generator,
    *,
    indices: Array | None = None,
    operator: Array | None = None,
) -> Observation:
    """Adds Gaussian noise of this standard deviation to what A makes of the truth."""
    clean = truth[indices] if operator is None else operator @ truth
    y = clean + noise * rng.standard_normal(len(clean))
    return Observation(truth, y, noise, indices, operator)


def write_observation(path: Path, observation: Observation) -> None:
    """An HDF5 file with y, noise and indices or operator, and the truth beside them."""
    with h5py.File(path, "w") as file:
        for name, values in observation._asdict().items():
            if values is not None:
                file[name] = values
