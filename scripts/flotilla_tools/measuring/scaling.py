# SPDX-License-Identifier: BSD-3-Clause
"""How a run scales over ranks: chain-steps per second, efficiency, where the time goes."""

import argparse
import csv
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Mapping

import h5py
import matplotlib.pyplot as plt
import numpy as np

from flotilla_tools.estimates import estimate
from flotilla_tools.plotting.style import CHAINS, STYLE
from flotilla_tools.program import Environment, find_program, one_machine, run

Point = tuple[str, int, int]
"""Scaling (strong or weak), ranks, chains of the whole run."""

Figures = dict[str, float]
Row = dict[str, Any]


class Options(argparse.Namespace):
    """What is measured."""

    flow: Path
    ranks: list[int]
    chains: int
    draws: int
    warmup: int
    repeats: int
    options: str
    launcher: str
    directory: Path | None
    flotilla: Path | None
    output: Path
    model: bool
    latency: float
    bandwidth: float
    file_bandwidth: float


FIGURES = ("chain_steps_per_second", "flow_share", "exchange_share", "output_share")


def default_ranks() -> list[int]:
    """1, 2, 4, ... and all cores."""
    cores = len(os.sched_getaffinity(0))
    return sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})


def measure(
    options: Options, program: Path, environment: Environment, ranks: int, chains: int
) -> Figures:
    """The figures of one run."""
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        output = Path(directory) / "run.h5"
        words = [*shlex.split(options.launcher), "-n", str(ranks), str(program), "sample"]
        words += [str(options.flow), "-o", str(output), "--quiet", "--chains", str(chains)]
        words += ["--warmup", str(options.warmup), "--draws", str(options.draws), "--no-latent"]
        words += shlex.split(options.options)
        run(words, environment)
        with h5py.File(output, "r") as file:
            return {name: float(file.attrs[name]) for name in FIGURES}


def points(options: Options) -> Iterator[Point]:
    """(scaling, ranks, chains of the whole run)."""
    for ranks in options.ranks:
        yield "strong", ranks, options.chains
        yield "weak", ranks, options.chains * ranks


def tables(options: Options, program: Path, environment: Environment) -> Iterator[list[Row]]:
    """Yields the tables after every repeat, so that a job that ends early keeps its repeats."""
    found: dict[Point, list[Figures]] = {}
    for repeat in range(options.repeats):
        for scaling, ranks, chains in points(options):
            print(f"repeat {repeat + 1}: {scaling}, {ranks} ranks", file=sys.stderr, flush=True)
            found.setdefault((scaling, ranks, chains), []).append(
                measure(options, program, environment, ranks, chains)
            )
        yield list(rows(found))


def rows(found: Mapping[Point, list[Figures]]) -> Iterator[Row]:
    """A dictionary for each point, with means and standard errors."""
    per_rank = {
        key: np.array([one["chain_steps_per_second"] for one in runs]) / key[1]
        for key, runs in found.items()
    }
    for key, runs in found.items():
        scaling, ranks, chains = key
        base = per_rank[next(other for other in found if other[0] == scaling)]
        row: Row = {"scaling": scaling, "ranks": ranks, "chains": chains, "repeats": len(runs)}
        for name in FIGURES:
            values = np.array([one[name] for one in runs])
            row[name], row[f"{name}_error"] = estimate(values)
        # Repeats were made in turns: compare each with the base of the same turn.
        efficiency = per_rank[key] / base
        row["efficiency"], row["efficiency_error"] = estimate(efficiency)
        yield row


def draw(table: list[Row], path: Path) -> None:
    plt.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    for number, scaling in enumerate(("strong", "weak")):
        own = [row for row in table if row["scaling"] == scaling]
        left.errorbar(
            [row["ranks"] for row in own],
            [row["efficiency"] for row in own],
            yerr=np.nan_to_num([row["efficiency_error"] for row in own]),
            marker="os"[number],
            markersize=4,
            color=CHAINS[number],
            label=scaling,
        )
    left.axhline(1.0, color="0.5", linestyle="--", linewidth=0.8)
    left.set(xlabel="ranks", xscale="log", ylim=(0, None), title="Efficiency")
    left.legend()
    own = [row for row in table if row["scaling"] == "strong"]
    places, bottom = np.arange(len(own)), np.zeros(len(own))
    for number, name in enumerate(("flow_share", "exchange_share", "output_share")):
        height = np.array([row[name] for row in own])
        right.bar(
            places, height, bottom=bottom, color=CHAINS[number], label=name.removesuffix("_share")
        )
        bottom += height
    right.set(
        xticks=places,
        xticklabels=[row["ranks"] for row in own],
        xlabel="ranks",
        ylim=(0, 1.05),
        title="Share of time, strong scaling",
    )
    right.legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def show(table: list[Row]) -> None:
    print("| scaling | ranks | chains | chain-steps/s | efficiency | flow, exchange, I/O (%) |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in table:
        shares = ", ".join(
            f"{100 * row[f'{name}_share']:.1f}" for name in ("flow", "exchange", "output")
        )
        print(
            f"| {row['scaling']} | {row['ranks']} | {row['chains']} | "
            f"{row['chain_steps_per_second']:,.0f} | {row['efficiency']:.3f} ± "
            f"{row['efficiency_error']:.3f} | {shares} |"
        )


def scale(options: Options) -> list[Row]:
    """Measures. Writes the table and its picture after every repeat; returns the last table."""
    binding = "core" if max(options.ranks) <= len(os.sched_getaffinity(0)) else "none"
    program = find_program(options.flotilla)
    table: list[Row] = []
    for table in tables(options, program, one_machine(binding)):
        write(table, options.output)
        draw(table, options.output.with_suffix(".png"))
    return table


def write(table: list[Row], path: Path) -> None:
    """Writes the table as CSV, completely or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    unfinished.replace(path)
