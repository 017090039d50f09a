#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a planar data set whose support and modes are known exactly.

    toy_sets.py rings -o rings.h5 --draws 20000

The file has draws, `x` [n x 2], and points on the modes with the mode's number, `modes` [m x 3], as
`flotilla compare` takes them.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.errors import InputError
from flotilla_tools.starting import positive
from flotilla_tools.toys import toy_set


class Options(argparse.Namespace):
    toy: str
    output: Path
    draws: int
    noise: float | None
    seed: int


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("toy", help="two_moons, rings or gaussians_K")
    add("-o", "--output", type=Path, required=True, help="HDF5 file to write")
    add(
        "--noise",
        type=positive(float),
        help="standard deviation (default: that of the shipped flow's data)",
    )
    add_common(
        parser,
        draws={"default": 20000, "help": "points to write (default %(default)s)"},
        seed={},
    )
    return parser.parse_args(arguments, namespace=Options())


def write(options: Options) -> None:
    toy = toy_set(options.toy, options.noise)
    if toy is None:
        raise InputError(f"expected two_moons, rings or gaussians_K, found '{options.toy}'")
    rng = np.random.default_rng(options.seed)
    with h5py.File(options.output, "w") as file:
        file["x"] = toy.sample(options.draws, rng)
        file["modes"] = toy.on_modes(1000 * toy.modes, rng)
    print(options.output)


if __name__ == "__main__":
    starting.run(parse, write)
