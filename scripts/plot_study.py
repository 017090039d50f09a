#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what a study found: one picture, of the kind that fits what the study varied.

    plot_study.py study.h5                       writes study.png
    plot_study.py study.h5 -o figure.png --kind chains

densities   effective draws per gradient of each density's flows, for each kernel; how far moments
            are from the truth
kernels     effective draws per gradient against the share of global moves, for each kernel
step-size   effective draws per gradient against acceptance rate; acceptance against step size, or
            against the rate that warm-up aims at
exchange    how far the acceptance rate ends from its target against the length of warm-up
chains      R-hat and error of the mean against draws, with the 1/sqrt(n) line, and effective draws
            per second against chains
beta        R-hat, effective draws and error of the mean against beta
quality     how close draws are to a reference against beta: of runs, of naive draws, and of the
            reference's own second half

Points are means over seeds, bars their standard errors; one seed has none.
"""

import argparse
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.arrays import expect_output
from flotilla_tools.plotting.study import KINDS, draw_study
from flotilla_tools.plotting.style import save


class Options(argparse.Namespace):
    study: Path
    output: Path | None
    kind: str | None


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("study", type=Path, help="what 'flotilla study' wrote")
    add("-o", "--output", type=Path, help="PNG to write (default: the study's name with .png)")
    add("--kind", choices=KINDS, help="of picture (default: by what the study varies)")
    return parser.parse_args(arguments, namespace=Options())


def draw(options: Options) -> None:
    output = options.output or options.study.with_suffix(".png")
    expect_output(output, options.study)
    save(draw_study(options.study, options.kind)[-1], output)
    print(output)


if __name__ == "__main__":
    starting.run(parse, draw)
