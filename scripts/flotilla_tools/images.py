# SPDX-License-Identifier: BSD-3-Clause
"""Sets of images: Fashion-MNIST and users' arrays, and their dequantisation."""

import gzip
from pathlib import Path

import numpy as np

from flotilla_tools.arrays import Array, read_array
from flotilla_tools.errors import InputError, SurroundingsError

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
GREYS = 256


def images_of(name: str, part: str) -> Array:
    """[image x row x column] or [image x channel x row x column]: for fashion_mnist the part, train
    or t10k (the test images), for a file its array."""
    return fashion_mnist(part) if name == "fashion_mnist" else read_images(name)


def fashion_mnist(part: str) -> Array:
    """The images [n x 28 x 28] of Fashion-MNIST: part is train or t10k (the test images)."""
    path = FASHION_MNIST / f"{part}-images-idx3-ubyte.gz"
    if not path.is_file():
        raise SurroundingsError(
            f"expected Fashion-MNIST in {FASHION_MNIST}, found none: install Debian's package "
            "dataset-fashion-mnist"
        )
    with gzip.open(path) as file:
        data = file.read()
    count, rows, columns = np.frombuffer(data, dtype=">i4", count=3, offset=4)
    return np.frombuffer(data, dtype=np.uint8, offset=16).reshape(count, rows, columns)


def read_images(name: str) -> Array:
    """The array of images in FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]."""
    images = read_array(name, "fashion_mnist")
    whole = images.ndim in (3, 4) and np.all((images >= 0) & (images < GREYS))
    if not whole or not np.array_equal(images, np.floor(images)):
        raise InputError(
            f"expected whole numbers from 0 to 255 in an array [image x row x column] or [image x "
            f"channel x row x column], found other values or shape {images.shape} in {name}"
        )
    return images


def dequantise(images: Array, rng: np.random.Generator) -> Array:
    """pixel + uniform noise, in [0, 256), float."""
    noise = rng.random(images.shape, dtype=np.float32)
    # Rounding must not reach the next grey.
    found: Array = np.minimum(images + noise, images + np.float32(1.0 - 2.0**-16))
    return found


def image_set(name: str, count: int | None, seed: int) -> Array:
    """[image x pixel]: `count` of the held-out images or all of them, in random order."""
    images = images_of(name, "t10k")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(images))[:count]
    return dequantise(images[chosen].reshape(len(chosen), -1), rng)
