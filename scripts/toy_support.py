#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Compares a run of a toy's flow with naive draws: how many draws lie off the toy's support.

    toy_support.py run.h5

prints a markdown table: the percentage of draws off the support and the weight of each mode, for
fresh draws of the toy itself (truth), for naive draws x = f(z), z ~ q_Z, and for the run.  A draw
counts for the nearest mode.  Standard errors are those of independent draws for the first two, and
between chains for the run.
"""

import argparse
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.toy_table import EXPLANATION, markdown, rows_of_run
from flotilla_tools.program import Flotilla
from flotilla_tools.starting import positive


class Options(argparse.Namespace):
    run: Path
    flow: Path | None
    flotilla: Path | None
    independent_draws: int
    seed: int


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("run", type=Path, help="run file of a flow that was trained on a toy")
    add("--flow", type=Path, help="the flow's file, if it has moved since")
    add_common(parser, flotilla={}, seed={})
    add(
        "--independent-draws",
        type=positive(int),
        default=200_000,
        help="of the truth and of the flow (default %(default)s)",
    )
    return parser.parse_args(arguments, namespace=Options())


def tell(options: Options) -> None:
    flotilla = Flotilla(options.flotilla, ranks=1, binding="none")
    count, seed = options.independent_draws, options.seed
    found = rows_of_run(options.run, options.flow, flotilla, count, seed)
    print(f"{markdown(found)}\n\n{EXPLANATION}")


if __name__ == "__main__":
    starting.run(parse, tell)
