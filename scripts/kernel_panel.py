#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures effective draws of the defaults against a grid of kernels; prints a markdown table.

    kernel_panel.py                                    the shipped toys, ten minutes a flow
    kernel_panel.py --sets panel                       data sets of 10 and 64 dimensions to train on
    kernel_panel.py panel/mixture_10.h5 --targets "beta 1" clipped

Each row is a flow and a target.  Columns have the smallest effective sample size per gradient and
per second of CPU: with the paper's settings (the defaults of version 0.1), with today's defaults,
and with the best of a grid of kernels, acceptance targets and shares of global moves; then what
`summary --strict` says of the first two.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.kernel_panel import (
    SHARES,
    TARGETS,
    Options,
    caption,
    cells,
    header,
    line,
    rows,
    write_sets,
)
from flotilla_tools.program import FLOWS, Flotilla
from flotilla_tools.starting import probability


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    toys = [FLOWS / f"{name}.h5" for name in ("two_moons", "six_gaussians", "three_rings")]
    add("flows", type=Path, nargs="*", default=toys, help="flow files (default: the shipped toys)")
    add(
        "--targets",
        nargs="+",
        choices=list(TARGETS),
        default=list(TARGETS),
        metavar="TARGET",
        help=f"of {', '.join(TARGETS)} (default: all)",
    )
    add(
        "--shares",
        type=probability,
        nargs="*",
        default=list(SHARES),
        metavar="SHARE",
        help="of global moves, in the grid (default: 0 to 0.9); fewer for a costly flow",
    )
    add("--no-paper", action="store_true", help="leave the paper's settings out: they are slow")
    add("--sets", type=Path, metavar="FOLDER", help="write data sets to train on, and stop")
    add_common(
        parser,
        flotilla={},
        ranks={"default": 1},
        chains={"default": 256},
        warmup={"default": 300},
        draws={"default": 1000},
        seed={},
        repeats={},
    )
    return parser.parse_args(arguments, namespace=Options())


def make(options: Options) -> None:
    if options.sets:
        write_sets(options.sets)
        return
    flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
    print(header(), flush=True)
    for row in rows(flotilla, options):
        print(line(cells(row)), flush=True)
    print(f"\n{caption(options)}")


if __name__ == "__main__":
    starting.run(parse, make)
