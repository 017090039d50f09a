#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measures how a run scales over ranks: chain-steps per second, efficiency, where the time goes.

    scaling.py                              two moons, on 1, 2, 4, ... ranks up to all cores
    scaling.py mine.h5 --ranks 1 2 4 8 --chains 4096 -o scaling.csv
    scaling.py mine.h5 --launcher srun --ranks 1 64 128        inside a Slurm job: scaling.sbatch
    scaling.py mine.h5 --model --chains 64 --ranks 64 4096 65536 --latency 2e-6 --bandwidth 1e10

Strong scaling keeps --chains of the whole run, weak scaling --chains of each rank.  Every point is
measured --repeats times, in turns.  Efficiency is the rate per rank over that on the fewest ranks;
errors are standard errors over repeats.  Writes a CSV file, a picture beside it, and prints a
table.

With --model it measures one rank alone, and predicts weak scaling from counts of messages.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring import scaling_model
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
    add("--model", action="store_true", help="predict weak scaling, from a run on one rank")
    add(
        "--latency",
        type=positive(float),
        default=2e-6,
        help="of a message, for --model (seconds, default %(default)s)",
    )
    add(
        "--bandwidth",
        type=positive(float),
        default=1e10,
        help="of a rank's messages, for --model (bytes per second, default %(default)s)",
    )
    add(
        "--file-bandwidth",
        type=positive(float),
        default=1e11,
        help="of the file system, all ranks, for --model (bytes per second, default %(default)s)",
    )
    options = parser.parse_args(arguments, namespace=Options())
    options.ranks = sorted(set(options.ranks))
    return options


def measure(options: Options) -> None:
    if options.model:
        scaling_model.show(scaling_model.model(options))
    else:
        show(scale(options))


if __name__ == "__main__":
    starting.run(parse, measure)
