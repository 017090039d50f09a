#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Samples posteriors of posteriordb through flows; prints a markdown table.

    posterior_table.py posteriordb/posterior_database
    posterior_table.py posteriordb/posterior_database --names kidiq-kidscore_interaction --stan

Each posterior is run through a flow that has learnt nothing, and through the best flow that
refine_flow.py's rounds find.  Columns have effective draws per gradient and per second, the largest
R-hat, and how far means and standard deviations lie from posteriordb's reference draws: the largest
distance over all parameters, in joint standard errors.  --stan runs Stan with its defaults beside
it, through R (Debian's r-cran-rstan and r-cran-jsonlite); its seconds are those of sampling on one
core, and do not count compilation.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.posterior_table import (
    POSTERIORS,
    REFINING,
    Options,
    cells,
    header,
    line,
    rows,
)
from flotilla_tools.starting import positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("database", type=Path, help="posterior_database of a clone of posteriordb")
    add(
        "--names",
        nargs="+",
        choices=list(POSTERIORS),
        default=list(POSTERIORS),
        metavar="NAME",
        help=f"of {', '.join(POSTERIORS)} (default: all)",
    )
    add("--stan", action="store_true", help="run Stan too")
    add("--rounds", type=positive(int), default=4, help="of refining (default %(default)s)")
    add("--max-epochs", type=positive(int), default=60, help="a round (default %(default)s)")
    add("--layers", type=positive(int), default=8, help="affine couplings (default %(default)s)")
    add("--width", type=positive(int), default=32, help="hidden units (default %(default)s)")
    add_common(
        parser,
        flotilla={},
        ranks={"default": 1},
        chains={"default": 128},
        warmup={"default": 1000},
        draws={"default": 1000},
        seed={},
    )
    parser.set_defaults(**REFINING)
    return parser.parse_args(arguments, namespace=Options())


def make(options: Options) -> None:
    print(header(), flush=True)
    for row in rows(options):
        print(line(cells(row)), flush=True)


if __name__ == "__main__":
    starting.run(parse, make)
