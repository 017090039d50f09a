#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Writes held-out images as a reference for 'flotilla compare'.

    image_set.py fashion_mnist -o test_images.h5         its test images
    image_set.py images.npz:x -o held_out.h5 --count 2000

The dataset x [image x pixel] holds the images as train_glow.py sees them: dequantised, in [0, 256).
The seed shuffles them, so that any part of them is a sample of all.
"""

import argparse
from pathlib import Path

import h5py

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.images import image_set
from flotilla_tools.starting import positive


class Options(argparse.Namespace):
    images: str
    output: Path
    count: int | None
    seed: int


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("images", help="fashion_mnist (its test images), FILE.npy, FILE.npz[:array] or FILE.h5")
    add("-o", "--output", type=Path, required=True, help="HDF5 file to write")
    add("--count", type=positive(int), help="images, chosen at random (default: all of them)")
    add_common(
        parser,
        seed={},
    )
    return parser.parse_args(arguments, namespace=Options())


def write(options: Options) -> None:
    x = image_set(options.images, options.count, options.seed)
    with h5py.File(options.output, "w") as file:
        file["x"] = x
    print(f"{options.output}: {len(x)} images of {x.shape[1]} pixels")


if __name__ == "__main__":
    starting.run(parse, write)
