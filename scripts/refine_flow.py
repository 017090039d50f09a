#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Refines a flow on a density of one's own: runs, trains on the draws, runs again.

    refine_flow.py funnel.so --dim 10 -o funnel
    refine_flow.py model.so --density-args data.json --dim 8 -o model --final-draws 5000

Round 0 runs a flow that has learnt nothing (--dim), or a given one (--flow).  Each next round
trains a RealNVP on the draws of the run before, and starts where that run ended.  The rounds end
when ESS per second grows by less than --growth.  The last run takes the best flow and a seed of its
own; its flow is fixed, so that its draws are exact.  A table has the gain of each round; the folder
OUTPUT has every flow and run, flow.h5 and run.h5 of the last run, and rounds.png.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.refining import Options, refine
from flotilla_tools.starting import not_negative, positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("density", help="a library with a log density, as `flotilla sample --density` takes it")
    add("--density-args", metavar="TEXT", help="what the density is opened with")
    add("--dim", type=positive(int), help="coordinates of the density, for a first flow")
    add("--flow", type=Path, metavar="FLOW.h5", help="the first flow, in place of --dim")
    add(
        "--target",
        choices=("explicit", "posterior"),
        default="explicit",
        help="what the density is: itself, or a likelihood (default %(default)s)",
    )
    add("-o", "--output", type=Path, required=True, help="folder to write, new or empty")
    add(
        "--rounds",
        type=not_negative,
        default=5,
        help="most rounds after the first (default %(default)s)",
    )
    add(
        "--growth",
        type=positive(float),
        default=1.1,
        help="factor in ESS per second that earns another round (default %(default)s)",
    )
    add("--final-draws", type=positive(int), help="of each chain, in the last run (as --draws)")
    add("--layers", type=positive(int), default=8, help="affine couplings (default %(default)s)")
    add("--width", type=positive(int), default=64, help="hidden units (default %(default)s)")
    add("--max-epochs", type=positive(int), default=200, help="a round (default %(default)s)")
    add(
        "--max-minutes",
        type=positive(float),
        default=5.0,
        help="of training, a round (default %(default)s)",
    )
    add(
        "--patience",
        type=positive(int),
        default=20,
        help="epochs without an improvement before the end (default %(default)s)",
    )
    add(
        "--train-size",
        type=positive(int),
        default=50000,
        help="most draws that a round trains on (default %(default)s)",
    )
    add_common(
        parser,
        flotilla={},
        ranks={"default": 1},
        chains={"default": 256},
        warmup={"default": 300},
        draws={"default": 1000},
        batch_size={"default": 1024},
        learning_rate={},
        seed={},
        threads={},
    )
    return parser.parse_args(arguments, namespace=Options())


if __name__ == "__main__":
    starting.run(parse, refine)
