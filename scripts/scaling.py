#!/usr/bin/python3
"""Measures how a run scales over ranks: chain-steps per second, efficiency, where the time goes.

    scaling.py                              two moons, on 1, 2, 4, ... ranks up to this machine's cores
    scaling.py mine.h5 --ranks 1 2 4 8 --chains 4096 -o scaling.csv
    scaling.py mine.h5 --launcher srun --ranks 1 64 128        inside a Slurm job: scaling.sbatch

Strong scaling keeps --chains of the whole run, weak scaling --chains of each rank.  Every point is
measured --repeats times, in turns.  Efficiency is the rate per rank over that on the fewest ranks;
errors are standard errors over repeats.  Writes a CSV file, a picture beside it, and prints a table.
"""

import argparse
import csv
import math
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from compare_speed import FLOTILLA, Flotilla, ProgramError
from plot_style import CHAINS, STYLE

FLOWS = Path(__file__).resolve().parent.parent / "apps/flows"
FIGURES = ("chain_steps_per_second", "flow_share", "exchange_share", "output_share")


def default_ranks():
    """1, 2, 4, ... and all cores."""
    cores = len(os.sched_getaffinity(0))
    return sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})


def measure(options, environment, ranks, chains):
    """The figures of one run."""
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        output = Path(directory) / "run.h5"
        words = [*shlex.split(options.launcher), "-n", str(ranks), str(options.flotilla), "sample"]
        words += [str(options.flow), "-o", str(output), "--quiet", "--chains", str(chains)]
        words += ["--warmup", str(options.warmup), "--draws", str(options.draws), "--no-latent"]
        words += shlex.split(options.options)
        try:
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ProgramError(f"expected a command {words[0]}, found none: install it") from None
        if done.returncode != 0:
            raise ProgramError(f"{shlex.join(words)} failed: {done.stderr.strip()}")
        with h5py.File(output, "r") as file:
            return {name: float(file.attrs[name]) for name in FIGURES}


def points(options):
    """(scaling, ranks, chains of the whole run)."""
    for ranks in options.ranks:
        yield "strong", ranks, options.chains
        yield "weak", ranks, options.chains * ranks


def tables(options, environment):
    """After every repeat what is known by then: a job that ends early has made its repeats."""
    found = {}
    for repeat in range(options.repeats):
        for scaling, ranks, chains in points(options):
            print(f"repeat {repeat + 1}: {scaling}, {ranks} ranks", file=sys.stderr, flush=True)
            found.setdefault((scaling, ranks, chains), []).append(
                measure(options, environment, ranks, chains)
            )
        yield list(rows(found))


def rows(found):
    """A dictionary for each point, with means and standard errors."""
    per_rank = {
        key: np.array([one["chain_steps_per_second"] for one in runs]) / key[1]
        for key, runs in found.items()
    }
    for key, runs in found.items():
        scaling, ranks, chains = key
        base = per_rank[next(other for other in found if other[0] == scaling)]
        row = {"scaling": scaling, "ranks": ranks, "chains": chains, "repeats": len(runs)}
        for name in FIGURES:
            values = np.array([one[name] for one in runs])
            row[name], row[f"{name}_error"] = values.mean(), standard_error(values)
        # Repeats were made in turns: each is compared with the same turn's base.
        efficiency = per_rank[key] / base
        row["efficiency"], row["efficiency_error"] = efficiency.mean(), standard_error(efficiency)
        yield row


def standard_error(values):
    return values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else float("nan")


def draw(table, path):
    plt.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    for number, scaling in enumerate(("strong", "weak")):
        own = [row for row in table if row["scaling"] == scaling]
        left.errorbar(
            [row["ranks"] for row in own], [row["efficiency"] for row in own],
            yerr=np.nan_to_num([row["efficiency_error"] for row in own]),
            marker="os"[number], markersize=4, color=CHAINS[number], label=scaling,
        )
    left.axhline(1.0, color="0.5", linestyle="--", linewidth=0.8)
    left.set(xlabel="ranks", xscale="log", ylim=(0, None), title="Efficiency")
    left.legend()
    own = [row for row in table if row["scaling"] == "strong"]
    places, bottom = np.arange(len(own)), np.zeros(len(own))
    for number, name in enumerate(("flow_share", "exchange_share", "output_share")):
        height = np.array([row[name] for row in own])
        right.bar(places, height, bottom=bottom, color=CHAINS[number],
                  label=name.removesuffix("_share"))
        bottom += height
    right.set(xticks=places, xticklabels=[row["ranks"] for row in own], xlabel="ranks",
              ylim=(0, 1.05), title="Share of time, strong scaling")
    right.legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def show(table):
    print("| scaling | ranks | chains | chain-steps/s | efficiency | flow, exchange, I/O (%) |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in table:
        shares = ", ".join(f"{100 * row[f'{name}_share']:.1f}" for name in ("flow", "exchange", "output"))
        print(
            f"| {row['scaling']} | {row['ranks']} | {row['chains']} | "
            f"{row['chain_steps_per_second']:,.0f} | {row['efficiency']:.3f} ± "
            f"{row['efficiency_error']:.3f} | {shares} |"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("flow", type=Path, nargs="?", default=FLOWS / "two_moons.h5", help="flow file")
    add("--ranks", type=int, nargs="+", default=default_ranks(), help="(default %(default)s)")
    add("--chains", type=int, default=1024, help="(default %(default)s)")
    add("--draws", type=int, default=500, help="(default %(default)s)")
    add("--warmup", type=int, default=100, help="(default %(default)s)")
    add("--repeats", type=int, default=3, help="(default %(default)s)")
    add("--options", default="", help="more options of 'flotilla sample', in one text")
    add("--launcher", default="mpirun", help="what starts ranks, with -n behind it (default mpirun)")
    add("--directory", type=Path, help="where runs are written: a file system that all ranks see")
    add("--flotilla", type=Path, default=FLOTILLA, help="the program (default: the release build)")
    add("-o", "--output", type=Path, default=Path("scaling.csv"), help="(default %(default)s)")
    options = parser.parse_args()
    options.ranks = sorted(set(options.ranks))
    if options.ranks[0] < 1 or options.repeats < 1:
        parser.error("expected at least 1 rank and 1 repeat")
    try:
        binding = "core" if max(options.ranks) <= len(os.sched_getaffinity(0)) else "none"
        environment = Flotilla(options.flotilla, 1, binding).environment
        for table in tables(options, environment):
            unfinished = options.output.with_name(options.output.name + ".unfinished")
            with open(unfinished, "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=table[0])
                writer.writeheader()
                writer.writerows(table)
            unfinished.replace(options.output)
            draw(table, options.output.with_suffix(".png"))
    except (ProgramError, OSError) as problem:
        sys.exit(f"scaling.py: {problem}")
    show(table)


if __name__ == "__main__":
    main()
