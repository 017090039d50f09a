#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures posteriors of images that were seen in part, the flow being the prior; prints a table.

    image_set.py fashion_mnist -o images.h5
    image_posterior.py fashion_mnist_glow.h5 images.h5 -o posteriors --images 8 --figure eight.png
    image_posterior.py fashion_mnist_glow.h5 drawn.h5:posterior/x -o calibration --images 200

Each of the first images is observed: half of its pixels, with noise.  A run of the program draws
from its posterior.  Half of the chains start from draws of the flow, half from other images: those
nearest to what was observed, of 8192 draws and of all other images.  The table has the shares of
pixels whose true value lies in the central intervals of their draws, of all images and of those
whose chains met (R-hat of log pi at most 1.1).  If the truths are draws of the flow, these shares
should be 50 and 90 %; on other images they also say how well the flow learnt them.  ± is one
standard error, between images.

The folder keeps a result for each image: started again, the script goes on where it ended.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.image_posterior import (
    HEADER,
    Options,
    results_of,
    table,
    words_on_runs,
)
from flotilla_tools.observations import HIDDEN
from flotilla_tools.plotting.image_posterior import draw_posteriors
from flotilla_tools.starting import positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("flow", type=Path, help="flow file")
    add("truths", help="FILE.npy, FILE.npz[:array] or FILE.h5[:dataset] with [image x pixel]")
    add("-o", "--output", type=Path, required=True, help="folder of the results")
    add(
        "--images",
        type=positive(int),
        default=8,
        help="the first ones of the array (default %(default)s)",
    )
    add(
        "--hide",
        choices=HIDDEN,
        default="random",
        help="half of the pixels that is not observed (default %(default)s)",
    )
    add(
        "--noise",
        type=positive(float),
        default=50.0,
        help="its standard deviation, in units of a pixel (default %(default)s)",
    )
    add("--step-size", type=positive(float), help="that warm-up begins with")
    add("--figure", type=Path, help="PNG of the first eight images to write")
    add_common(
        parser,
        chains={"default": 32},
        warmup={"default": 1000},
        draws={"default": 50},
        thin={"default": 20},
        global_fraction={"default": 0.0},
        seed={},
        flotilla={},
    )
    options = parser.parse_args(arguments, namespace=Options())
    if options.draws < 4 or options.chains < 4 or options.chains % 2:
        parser.error("expected at least 4 draws of an even number of at least 4 chains")
    return options


def make(options: Options) -> None:
    results = results_of(options)
    if options.figure:
        draw_posteriors(results, options.figure)
    for cells in (HEADER, ["---", "---:", "---", *["---:"] * (len(HEADER) - 3)], *table(results)):
        print(f"| {' | '.join(cells)} |")
    print(f"\n{words_on_runs(results)}")


if __name__ == "__main__":
    starting.run(parse, make)
