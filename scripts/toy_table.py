#!/usr/bin/python3 -B
"""Measures what sampling through the latent space does to the three toys, as a markdown table.

    toy_table.py                                 about two minutes
    toy_table.py --ranks 1 --draws 200 two_moons.h5

For each flow trained on a toy: fresh draws of the toy itself (truth), naive draws x = f(z) with
z ~ N(0, I), and runs of the program on the tempered target at beta = 1 and on the clipped target
with the program's defaults.  Of each, the percentage of draws off the toy's support and the weight
of each of its modes, a draw counting for the nearest.  Standard errors: of independent draws for
the first two, between chains for the runs.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.measuring.toy_table import NAMES, Options, caption, markdown, rows
from flotilla_tools.program import FLOWS, Flotilla
from flotilla_tools.starting import positive, probability
from flotilla_tools.torch_flows.computing import set_threads


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    flows = [FLOWS / f"{name}.h5" for name in NAMES]
    add("flows", type=Path, nargs="*", default=flows, help="flow files (default: the shipped ones)")
    add("--flotilla", type=Path, help="the program (default: built here, installed, on PATH)")
    add("--ranks", type=positive(int), default=2, help="of a run (default %(default)s)")
    add("--chains", type=positive(int), default=1024, help="of each run (default %(default)s)")
    add("--warmup", type=positive(int), default=500, help="steps of warm-up (default %(default)s)")
    add(
        "--draws", type=positive(int), default=1000, help="kept of each chain (default %(default)s)"
    )
    add(
        "--thin",
        type=positive(int),
        default=5,
        help="steps from one draw to the next (default %(default)s)",
    )
    add(
        "--global-fraction",
        type=probability,
        default=0.1,
        help="probability of a global move z' ~ q_Z (default %(default)s)",
    )
    add("--seed", type=int, default=1, help="of the random numbers (default %(default)s)")
    add(
        "--independent-draws",
        type=positive(int),
        default=1_000_000,
        help="of the truth and of the flow (default %(default)s)",
    )
    return parser.parse_args(arguments, namespace=Options())


def make(options: Options) -> None:
    set_threads(1)
    flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
    found = [row for path in options.flows for row in rows(path, flotilla, options)]
    print(f"{markdown(found)}\n\n{caption(options)}")


if __name__ == "__main__":
    starting.run(parse, make)
