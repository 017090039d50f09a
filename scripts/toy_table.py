#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures the effect of latent-space sampling on the three toys; prints a markdown table.

    toy_table.py                                 about two minutes
    toy_table.py --ranks 1 --draws 200 two_moons.h5

For each flow trained on a toy: fresh draws of the toy itself (truth), naive draws x = f(z) with
z ~ N(0, I), and runs of the program on the tempered target at beta = 1 and on the clipped target
with the program's defaults.  Of each, the percentage of draws off the toy's support and the weight
of each of its modes; a draw counts for the nearest mode.  Standard errors are those of independent
draws for the first two, and between chains for the runs.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.toy_table import NAMES, Options, caption, markdown, rows
from flotilla_tools.program import FLOWS, Flotilla
from flotilla_tools.starting import positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    flows = [FLOWS / f"{name}.h5" for name in NAMES]
    add("flows", type=Path, nargs="*", default=flows, help="flow files (default: the shipped ones)")
    add_common(
        parser,
        flotilla={},
        ranks={},
        chains={"default": 1024},
        warmup={"default": 500},
        draws={"default": 1000},
        thin={"default": 5},
        seed={},
    )
    add(
        "--independent-draws",
        type=positive(int),
        default=1_000_000,
        help="of the truth and of the flow (default %(default)s)",
    )
    return parser.parse_args(arguments, namespace=Options())


def make(options: Options) -> None:
    flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
    found = [row for path in options.flows for row in rows(path, flotilla, options)]
    print(f"{markdown(found)}\n\n{caption(options)}")


if __name__ == "__main__":
    starting.run(parse, make)
