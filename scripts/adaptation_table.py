#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures how far acceptance rates are from their target after warm-up; prints a markdown table.

    adaptation_table.py                                       256 and 4096 chains, the shipped toys
    adaptation_table.py --chains 1 16 --repeats 20            few chains: each seed differs
    adaptation_table.py --flotilla OTHER --kernels mala       beside another build of the program

Each row is a kernel and a number of chains, each column a length of warm-up.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.adaptation_table import AIMS, Options, caption, measure, table
from flotilla_tools.measuring.kernel_panel import TARGETS
from flotilla_tools.program import FLOWS
from flotilla_tools.starting import positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    toys = [FLOWS / f"{name}.h5" for name in ("two_moons", "six_gaussians", "three_rings")]
    add("flows", type=Path, nargs="*", default=toys, help="flow files (default: the shipped toys)")
    add(
        "--targets",
        nargs="+",
        choices=list(TARGETS),
        default=["beta 1"],
        metavar="TARGET",
        help=f"of {', '.join(TARGETS)} (default: beta 1)",
    )
    add(
        "--kernels",
        nargs="+",
        choices=list(AIMS),
        default=list(AIMS),
        metavar="KERNEL",
        help=f"of {', '.join(AIMS)} (default: all)",
    )
    add(
        "--moves",
        type=positive(int),
        default=65536,
        help="steps of all chains together that measure a rate (default %(default)s)",
    )
    add_common(
        parser,
        flotilla={},
        chains={"nargs": "+", "default": [256, 4096], "help": "of a run (default 256 4096)"},
        warmup={"nargs": "+", "default": [100, 200, 500], "help": "steps (default 100 200 500)"},
        seed={},
        repeats={},
    )
    return parser.parse_args(arguments, namespace=Options())


def make(options: Options) -> None:
    print("\n".join([*table(measure(options), options), "", caption(options)]))


if __name__ == "__main__":
    starting.run(parse, make)
