#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures how a run scales over ranks: chain-steps per second, efficiency, where the time goes.

    scaling.py                              two moons, on 1, 2, 4, ... ranks up to all cores
    scaling.py mine.h5 --ranks 1 2 4 8 --chains 4096 -o scaling.csv
    scaling.py mine.h5 --launcher srun --ranks 1 64 128        inside a Slurm job: scaling.sbatch

Strong scaling keeps --chains of the whole run, weak scaling --chains of each rank.  Every point is
measured --repeats times, in turns.  Efficiency is the rate per rank over that on the fewest ranks;
errors are standard errors over repeats.  Writes a CSV file, a picture beside it, and prints a
table.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring.scaling import Options, default_ranks, scale, show
from flotilla_tools.program import FLOWS
from flotilla_tools.starting import not_negative, positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("flow", type=Path, nargs="?", default=FLOWS / "two_moons.h5", help="flow file")
    add(
        "--ranks",
        type=positive(int),
        nargs="+",
        default=default_ranks(),
        help="of a run (default %(default)s)",
    )
    add(
        "--chains",
        type=positive(int),
        default=1024,
        help="of all ranks together, or of each (default %(default)s)",
    )
    add("--repeats", type=positive(int), default=3, help="of every point (default %(default)s)")
    add("--options", default="", help="more options of 'flotilla sample', in one text")
    add("--launcher", default="mpirun", help="what starts ranks, -n behind it (default mpirun)")
    add("--directory", type=Path, help="where runs are written: a file system that all ranks see")
    add_common(
        parser,
        draws={"default": 500},
        warmup={"type": not_negative, "default": 100},
        flotilla={},
    )
    add(
        "-o",
        "--output",
        type=Path,
        default=Path("scaling.csv"),
        help="CSV file to write, a picture beside it (default %(default)s)",
    )
    options = parser.parse_args(arguments, namespace=Options())
    options.ranks = sorted(set(options.ranks))
    return options


def measure(options: Options) -> None:
    show(scale(options))


if __name__ == "__main__":
    starting.run(parse, measure)
