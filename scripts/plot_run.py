#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Draws a run file: the verdict, where its draws are, how its chains mixed, how warm-up went.

    plot_run.py run.h5                       writes run.png
    plot_run.py run.h5 -o figure.png --flow two_moons.h5

The headline has the verdict of `flotilla summary`, which is printed too, and the figures behind it.

Densities of the first two coordinates come first: of naive draws x = f(z), z ~ q_Z, and of the run,
in the same colours, by orders of magnitude; then the one over the other, so that a bridge between
modes that the run thins out stands out.  Where a flow was trained on a toy, titles have the share
of draws off its support.  The next row has the same ratio in latent space, in two dimensions, and
two tails: how many of the run's draws the flow stretches as much as the most stretched 1 % of naive
draws, by l(z) = log|det J(z)|, and how many are as unlikely as the least likely 1 %, by log q_X.
Below are traces of a few chains, marginals, and acceptance rate and step size over warm-up.

Titles say how many draws of how many are shown, spread evenly over the run.  Of an unfinished run
the committed draws are shown.  Errors are standard errors, for the run between chains.

For a flow of images (or with --image) the first rows are images: the starts of the first chains
(naive draws, unless the run had a --start), the last draws of the same chains, and draws along one
chain.  Traces are then those of lp and l(z).

`flotilla flow evaluate` computes what the picture needs of the flow.
"""

import argparse
import sys
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.arrays import expect_output
from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import apart
from flotilla_tools.plotting.run import find_flow, image_shape, material_of, plot
from flotilla_tools.plotting.run_file import read_run
from flotilla_tools.plotting.verdict import Summary, summary_of, verdict_of
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


def summary(path: Path, program: Path) -> Summary | None:
    """The program's summary; None, with a message why, if it has none."""
    try:
        return summary_of(path, program)
    except InputError as problem:
        print(f"{problem}; plotting without a verdict", file=sys.stderr)
        return None


def draw(options: Options) -> None:
    output = options.output or options.run.with_suffix(".png")
    expect_output(output, options.run)
    run, program = apart(read_run, options.run), find_program(options.flotilla)
    flow = find_flow(run, options.flow, program, options.threads)
    shape = image_shape(run, flow, options.image)
    judged = summary(options.run, program)
    plot(material_of(run, flow), shape, output, judged)
    print(output)
    if judged:
        verdict = verdict_of(judged)
        print(f"{verdict.headline}: {'; '.join(verdict.sentences + verdict.hints)}")


if __name__ == "__main__":
    starting.run(parse, draw)
