#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures the effect of latent-space sampling on a flow of images; prints a markdown table.

    image_table.py fashion_mnist_glow.h5 fashion_mnist --figure traces.png     some 10 minutes
    image_table.py mine.h5 held_out.npy --chains 32 --warmup 200 --draws 20

For the held-out images, for naive draws x = f(z), z ~ q_Z, for naive draws at lower temperatures
(z shrunk by T) and for runs of the program: means of log q_X(x) and of l(z) = log|det J(z)|, and
the shares of draws below the 1 % and above the 99 % quantile of the held-out images' log q_X.
Draws like the images would have 1 % beyond either.

Each target is run twice with different seeds, from q_Z and from held-out images.  R-hat of lp
(split R-hat, Gelman et al. 2013) is over the chains of both runs; above 1.01 the runs disagree.
Standard errors assume independent draws; those of runs are between chains.  --figure draws the
traces of l.
"""

import tempfile
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.image_table import (
    HEADER,
    TARGETS,
    Options,
    draw_traces,
    measure,
)
from flotilla_tools.starting import positive
from flotilla_tools.torch_flows.computing import set_threads


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("flow", type=Path, help="flow file")
    add("images", help="held-out images: fashion_mnist (its test images), FILE.npy, .npz or .h5")
    known = ", ".join(f"'{target}'" for target in TARGETS)
    add(
        "--targets",
        nargs="+",
        choices=TARGETS,
        default=tuple(TARGETS),
        metavar="TARGET",
        help=f"densities to sample, of {known} (default: all)",
    )
    add(
        "--kernel",
        choices=("mala", "metric-mala"),
        default="mala",
        help="local moves (default %(default)s)",
    )
    add(
        "--tile-width",
        type=positive(int),
        default=32,
        help="chains that move together (default %(default)s)",
    )
    add("--figure", type=Path, help="PNG of the traces of l to write")
    add_common(
        parser,
        chains={"default": 64},
        warmup={"default": 1000},
        exchange_every={"default": 2},
        draws={"default": 100},
        thin={"default": 5},
        global_fraction={},
        ranks={},
        seed={},
        flotilla={},
    )
    options = parser.parse_args(arguments, namespace=Options())
    if options.draws < 4 or options.chains < 2:
        parser.error("expected at least 2 chains of at least 4 draws: R-hat needs them")
    return options


def make(options: Options) -> None:
    set_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        rows, traces = measure(options, Path(directory) / "start.h5")
    if options.figure:
        draw_traces(traces, options.thin, options.figure)
    for cells in (HEADER, ["---", *["---:"] * (len(HEADER) - 1)], *rows):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    starting.run(parse, make)
