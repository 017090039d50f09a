#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Draws a run file: where its chains went, how they mixed, how warm-up went, and the verdict.

    plot_run.py run.h5                       writes run.png
    plot_run.py run.h5 -o figure.png --flow two_moons.h5

In two dimensions the first row has three panels: naive draws x = f(z), z ~ q_Z; as many draws of
the run, both over the log density that the flow learnt, log q_X; and the run's latent points over
l(z) = log|det J(z)|.  Below are traces of a few chains and marginals, for the first coordinates in
any dimension.  At the bottom are acceptance rate and step size over the windows of warm-up.  For an
unfinished run, the committed draws are shown.

For a flow of images (or with --image) the first rows are images: the starts of the first chains
(naive draws, unless the run had a --start), the last draws of the same chains, and draws along one
chain.  Traces are then those of lp and l(z).

The headline has the verdict of `flotilla summary`, which is printed too.  Titles say how many
points of how many are drawn.  `flotilla flow evaluate` computes what the picture needs of the flow.
"""

import argparse
import sys
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.errors import InputError
from flotilla_tools.plotting.run import find_flow, image_shape, plot, read_run
from flotilla_tools.plotting.verdict import Verdict, summary_of, verdict_of
from flotilla_tools.program import find_program
from flotilla_tools.starting import image, positive


class Options(argparse.Namespace):
    run: Path
    output: Path | None
    flow: Path | None
    image: tuple[int, int, int] | None
    threads: int
    flotilla: Path | None


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("run", type=Path, help="run file")
    add("-o", "--output", type=Path, help="PNG to write (default: beside the run)")
    add("--flow", type=Path, help="the flow's file, if it has moved since")
    add("--image", type=image, metavar="1x28x28", help="channels, rows and columns of x")
    add(
        "--threads",
        type=positive(int),
        default=1,
        help="ranks that evaluate the flow (default %(default)s)",
    )
    add_common(
        parser,
        flotilla={},
    )
    return parser.parse_args(arguments, namespace=Options())


def verdict(path: Path, program: Path) -> Verdict | None:
    """The program's verdict; None, with a message why, if it has none."""
    try:
        return verdict_of(summary_of(path, program))
    except InputError as problem:
        print(f"{problem}; plotting without a verdict", file=sys.stderr)
        return None


def draw(options: Options) -> None:
    output = options.output or options.run.with_suffix(".png")
    run, program = read_run(options.run), find_program(options.flotilla)
    flow = find_flow(run, options.flow, program, options.threads)
    judged = verdict(options.run, program)
    plot(run, flow, image_shape(run, flow, options.image), output, judged)
    print(output)
    if judged:
        print(f"{judged.headline}: {'; '.join(judged.sentences)}")


if __name__ == "__main__":
    starting.run(parse, draw)
