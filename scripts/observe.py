#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Observes an image in part and with noise, for 'flotilla sample --target posterior --observe'.

    image_set.py fashion_mnist -o images.h5
    observe.py images.h5 -o half.h5 --row 3 --hide left --noise 10
    observe.py images.h5 -o noisy.h5 --noise 50
    observe.py images.h5 -o blurred.h5 --blur 1.5 --noise 2
    observe.py images.h5 -o small.h5 --downsample 4 --noise 2

The file holds y = A x + noise, the standard deviation of the noise, A as the indices of the pixels
that are seen or as a matrix, and the truth x, which the program does not read.
"""

import argparse
from pathlib import Path

import numpy as np

from flotilla_tools import starting
from flotilla_tools.arrays import expect_directory
from flotilla_tools.common_options import add_common
from flotilla_tools.observations import (
    HIDDEN,
    blur,
    downsampling,
    observe,
    read_image,
    seen_pixels,
    side_of,
    write_observation,
)
from flotilla_tools.starting import not_negative, positive


class Options(argparse.Namespace):
    images: str
    output: Path
    row: int
    noise: float
    hide: str | None
    blur: float | None
    downsample: int | None
    seed: int


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("images", help="FILE.npy, FILE.npz[:array] or FILE.h5[:dataset] with [image x pixel]")
    add("-o", "--output", type=Path, required=True, help="HDF5 file to write")
    add("--row", type=not_negative, default=0, help="the image, from 0 (default %(default)s)")
    add(
        "--noise",
        type=positive(float),
        required=True,
        help="its standard deviation, in units of a pixel",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--hide", choices=HIDDEN, help="half of the pixels that is not observed")
    how.add_argument(
        "--blur",
        type=positive(float),
        metavar="WIDTH",
        help="standard deviation in pixels of a Gaussian blur",
    )
    how.add_argument(
        "--downsample",
        type=positive(int),
        metavar="FACTOR",
        help="only means over FACTOR x FACTOR pixels are observed",
    )
    add_common(parser, seed={})
    return parser.parse_args(arguments, namespace=Options())


def write(options: Options) -> None:
    expect_directory(options.output)
    rng = np.random.default_rng(options.seed)
    truth = read_image(options.images, options.row)
    side = side_of(len(truth))
    if options.blur:
        found = observe(truth, options.noise, rng, operator=blur(side, options.blur))
    elif options.downsample:
        found = observe(truth, options.noise, rng, operator=downsampling(side, options.downsample))
    else:
        seen = seen_pixels(options.hide, side, rng)
        found = observe(truth, options.noise, rng, indices=seen)
    write_observation(options.output, found)
    print(f"{options.output}: {len(found.y)} values of an image of {len(truth)} pixels")


if __name__ == "__main__":
    starting.run(parse, write)
