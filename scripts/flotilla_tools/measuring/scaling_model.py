# SPDX-License-Identifier: BSD-3-Clause
"""Weak scaling on more ranks than there are here, from what a run says and how fast a network is.

Time is that of one rank, measured, and of messages, counted: rounds of collectives, each of log2 of
the ranks messages one after another, and what grows faster.  tests/cluster holds the counts
against runs on 2 to 64 ranks.  Noise is not in the model: ranks that wait for a slow one.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import h5py

from flotilla_tools.measuring.scaling import Options
from flotilla_tools.program import find_program, one_machine, run

DRAWS = 100
"""Between two reports by default, and in a chunk of the run file: what the model calls a block."""

# Of a block, by what ranks do together. A variable is x, z, each of seven statistics, a checksum
# for x and one for z, and the count of committed draws.
VARIABLES = 12
ROUNDS_OF_A_VARIABLE = 8  # two agreements of HDF5, two views of the file, four inside the write
ROUNDS_OF_A_BLOCK = 2  # sums of moves, and the vote on what was written
OFFSETS = 16  # bytes that a rank tells all others in the write of a variable, inside MPI-IO
ROUNDS_OF_A_REPORT = 3  # who gets how much, figures of quantities and their number
STATE = 2 * 5 * 8  # bytes of a quantity of a tile: R-hat of windows and of chains
COUNT = 4  # bytes of a number that every rank tells every other, two in a report
FIGURES = 5 * 8  # bytes of a quantity in the end

ROUNDS_OF_A_START = 500  # flow, checks and making the run file; warm-up of 20 exchanges; the end
CHUNK_SECONDS = 1.1e-6  # of processor time on every rank, for each chunk of the new file
CHUNKED = 9  # variables in chunks of a tile and DRAWS draws


@dataclass(frozen=True)
class OneRank:
    """A run on one rank, measured."""

    block: float  # seconds of DRAWS draws: moves, writes and reports
    dim: int
    tiles: int
    written: int  # bytes of DRAWS draws of all chains


@dataclass(frozen=True)
class Said:
    """What ranks say to each other in a part of a run."""

    rounds: float  # of collectives
    messages: float  # beyond rounds, on the rank that has the most
    bytes: float  # on the rank that has the most


def in_a_block(ranks: int) -> Said:
    """From one commit to the next."""
    rounds = VARIABLES * ROUNDS_OF_A_VARIABLE + ROUNDS_OF_A_BLOCK
    return Said(rounds, 0, VARIABLES * OFFSETS * ranks)


def in_a_report(ranks: int, tiles: int, dim: int) -> Said:
    """Each rank merges a share of the quantities (x and lp), of which it is sent all tiles."""
    quantities = dim + 1
    own = math.ceil(quantities / ranks)
    to_others = min(ranks, quantities)  # ranks that merge something
    received = own * tiles * ranks * STATE
    # Counts travel in log2 steps, each with half of them.
    counts = COUNT * ranks * (1 + math.log2(max(ranks, 1)) / 2)
    return Said(ROUNDS_OF_A_REPORT, ranks + to_others, received + counts + quantities * FIGURES)


@dataclass(frozen=True)
class Prediction:
    """For a number of ranks, in seconds."""

    ranks: int
    block: float  # on one rank
    messages: float  # of a block, without those of a report
    report: float
    file: float  # beyond what one rank needs
    start: float

    @property
    def efficiency(self) -> float:
        return self.block / (self.block + self.messages + self.report + self.file)


def seconds(said: Said, ranks: int, options: Options) -> float:
    """Of messages one after another."""
    steps = math.ceil(math.log2(ranks)) if ranks > 1 else 0
    if steps == 0:
        return 0.0
    return (said.rounds * steps + said.messages) * options.latency + said.bytes / options.bandwidth


def predict(one: OneRank, ranks: int, options: Options) -> Prediction:
    """Every rank has as many chains as the one that was measured."""
    chunks = CHUNKED * one.tiles * ranks * math.ceil(options.draws / DRAWS)
    start = seconds(Said(ROUNDS_OF_A_START, 0, options.flow.stat().st_size), ranks, options)
    return Prediction(
        ranks=ranks,
        block=one.block,
        messages=seconds(in_a_block(ranks), ranks, options),
        report=seconds(in_a_report(ranks, one.tiles, one.dim), ranks, options),
        file=one.written * (ranks - 1) / options.file_bandwidth,
        start=start + chunks * CHUNK_SECONDS,
    )


def measure_one(options: Options) -> OneRank:
    """A run on this machine, of whole blocks."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run.h5"
        draws = max(1, options.draws // DRAWS) * DRAWS
        words = ["mpirun", "-n", "1", str(find_program(options.flotilla)), "sample"]
        words += [str(options.flow), "-o", str(output), "--quiet", "--chains", str(options.chains)]
        words += ["--warmup", str(options.warmup), "--draws", str(draws)]
        run([*words, *options.options.split()], one_machine())
        with h5py.File(output, "r") as file:
            blocks = draws / DRAWS
            values = file["posterior/x"]
            per_draw = values.dtype.itemsize * values.shape[2] * 2 + 4 * 8 + 3
            return OneRank(
                block=float(file.attrs["sampling_seconds"]) / blocks,
                dim=values.shape[2],
                tiles=math.ceil(options.chains / values.chunks[0]),
                written=per_draw * options.chains * DRAWS,
            )


def model(options: Options) -> list[Prediction]:
    """For each number of ranks."""
    one = measure_one(options)
    return [predict(one, ranks, options) for ranks in options.ranks]


def show(table: Sequence[Prediction]) -> None:
    print("| ranks | efficiency | ms of 100 draws: one rank, messages, report, file | start (s) |")
    print("|---:|---:|---:|---:|")
    for row in table:
        parts = (row.block, row.messages, row.report, row.file)
        times = ", ".join(f"{1e3 * part:.3g}" for part in parts)
        print(f"| {row.ranks:,} | {row.efficiency:.3f} | {times} | {row.start:.3g} |")
