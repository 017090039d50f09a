# SPDX-License-Identifier: BSD-3-Clause
"""Effective draws of the defaults and of a grid of kernels, on a panel of flows and targets."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import h5py
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.program import Flotilla, as_words

Settings = Mapping[str, Any]

TARGETS: Mapping[str, Settings] = {
    "beta 0.5": {"beta": 0.5},
    "beta 1": {"beta": 1},
    "beta 2": {"beta": 2},
    "clipped": {"target": "clipped"},
}

PAPER: Settings = {
    "kernel": "metric-mala",
    "global-fraction": 0.1,
    "target-accept": 0.574,
    "chains": 1024,
    "warmup": 1000,
    "draws": 1000,
}
"""What the program did by default in version 0.1, and apps/studies/paper.toml does."""

KERNELS: Sequence[Settings] = (
    {"kernel": "mala", "target-accept": 0.574},
    {"kernel": "ghmc", "target-accept": 0.65},
    {"kernel": "ghmc", "target-accept": 0.8},
)
SHARES = (0.0, 0.1, 0.3, 0.6, 0.9)


class Options(argparse.Namespace):
    """What is measured, and with how many chains."""

    flows: list[Path]
    targets: list[str]
    shares: list[float]
    no_paper: bool
    flotilla: Path | None
    ranks: int
    chains: int
    warmup: int
    draws: int
    seed: int
    repeats: int
    sets: Path | None


class Yield(NamedTuple):
    """What runs of one setting gave, their means: the smallest bulk or tail ESS of any quantity."""

    per_gradient: float
    per_second: float  # of CPU, without the start
    seconds: float  # of CPU: the whole run
    converged: float  # share of the runs, by `summary --strict`
    settings: Settings


def measure(flow: Path, flotilla: Flotilla, settings: Settings, repeats: int = 1) -> Yield:
    """Runs the program and its summary, with as many seeds as `repeats`."""
    seeds = range(settings["seed"], settings["seed"] + repeats)
    found = [measure_one(flow, flotilla, {**settings, "seed": seed}) for seed in seeds]
    means = [float(np.mean([one[k] for one in found])) for k in range(4)]
    return Yield(means[0], means[1], means[2], means[3], settings)


def measure_one(flow: Path, flotilla: Flotilla, settings: Settings) -> tuple[float, ...]:
    """The numbers of a Yield, of one run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.h5"
        start = seconds_of(flow, flotilla, run, {**settings, "warmup": 0, "draws": 1})
        seconds = seconds_of(flow, flotilla, run, settings)
        words = [str(flotilla.path), "summary", str(run), "--json", "--strict"]
        done = subprocess.run(
            words, env=flotilla.environment, capture_output=True, text=True, check=False
        )
        figures = json.loads(done.stdout)["sampling"]
        with h5py.File(run, "r") as file:
            chains, draws = file["posterior/x"].shape[:2]
            steps = chains * (file.attrs["warmup"] + draws)
    # Nothing is known of a run that is too short.
    per_gradient = figures["ess_per_gradient"] or 0.0
    steps_per_second = float(steps) / max(seconds - start, 0.01)
    per_second = per_gradient * steps_per_second
    return per_gradient, per_second, seconds, float(done.returncode == 0)


def seconds_of(flow: Path, flotilla: Flotilla, run: Path, settings: Settings) -> float:
    """CPU seconds of a run."""
    before = cpu_seconds()
    options = {**settings, "report-every": 0, "no-latent": True, "force": True}
    flotilla.sample(flow, run, options)
    return cpu_seconds() - before


def cpu_seconds() -> float:
    """Of all programs that this process started and that ended."""
    times = os.times()
    return times.children_user + times.children_system


class Row(NamedTuple):
    """A flow and a target."""

    name: str
    paper: Yield | None  # with the settings of the paper
    now: Yield  # with the defaults
    grid: Sequence[Yield]


def grid(target: Settings, options: Options) -> Iterator[Settings]:
    """Every setting of the grid; global moves alone come once."""
    size = {name: getattr(options, name) for name in ("chains", "warmup", "draws", "seed")}
    for share in options.shares:
        for kernel in KERNELS:
            yield {**target, **kernel, **size, "global-fraction": share}
    yield {**target, **KERNELS[0], **size, "global-fraction": 1.0}


def rows(flotilla: Flotilla, options: Options) -> Iterator[Row]:
    for flow in options.flows:
        for name in options.targets:
            print(f"measuring {flow.stem}, {name}", file=sys.stderr, flush=True)
            target = {**TARGETS[name], "seed": options.seed}
            repeats = options.repeats
            paper = {**target, **PAPER}
            before = None if options.no_paper else measure(flow, flotilla, paper, repeats)
            now = measure(flow, flotilla, target, repeats)
            found = [measure(flow, flotilla, one, repeats) for one in grid(target, options)]
            yield Row(f"{flow.stem}, {name}", before, now, found)


# --- The table ----------------------------------------------------------------------------------


HEADER = (
    "flow, target",
    "per gradient: paper",
    "default",
    "best",
    "best with",
    "default / best",
    "default / paper",
    "per CPU second: paper",
    "default",
    "best",
    "best with",
    "default / best",
    "CPU seconds",
    "strict",
)


def cells(row: Row) -> tuple[str, ...]:
    best = max(row.grid, key=lambda one: one.per_gradient)
    fastest = max(row.grid, key=lambda one: one.per_second)
    gain = "" if row.paper is None else f"{row.now.per_gradient / row.paper.per_gradient:.1f}"
    return (
        row.name,
        "" if row.paper is None else f"{row.paper.per_gradient:.4f}",
        f"{row.now.per_gradient:.4f}",
        f"{best.per_gradient:.4f}",
        setting(best),
        f"{row.now.per_gradient / best.per_gradient:.2f}",
        gain,
        "" if row.paper is None else f"{row.paper.per_second:.3g}",
        f"{row.now.per_second:.3g}",
        f"{fastest.per_second:.3g}",
        setting(fastest),
        f"{row.now.per_second / fastest.per_second:.2f}",
        ("" if row.paper is None else f"{row.paper.seconds:.1f} → ") + f"{row.now.seconds:.1f}",
        ("" if row.paper is None else f"{verdict(row.paper)} → ") + verdict(row.now),
    )


def setting(found: Yield) -> str:
    """ghmc 0.65, share 0.3"""
    share = found.settings["global-fraction"]
    if share == 1.0:
        return "global moves alone"
    return f"{found.settings['kernel']} {found.settings['target-accept']}, share {share:g}"


def verdict(found: Yield) -> str:
    if found.converged in (0.0, 1.0):
        return "converged" if found.converged else "not"
    return f"{100 * found.converged:.0f} % converged"


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def header() -> str:
    return "\n".join((line(HEADER), line(["---"] * len(HEADER))))


def caption(options: Options) -> str:
    size = {"chains": options.chains, "warmup": options.warmup, "draws": options.draws}
    return (
        "ESS is the smallest of bulk and tail, over coordinates, l and lp. Per CPU second: of "
        "steps, whether of warm-up or not; CPU seconds: of the whole run. "
        f"Paper: `{' '.join(as_words(PAPER))}`. Grid: `{' '.join(as_words(size))}`, kernels "
        f"{', '.join(' '.join(map(str, kernel.values())) for kernel in KERNELS)}, shares of global "
        f"moves {', '.join(f'{share:g}' for share in options.shares)}, 1. Ranks: {options.ranks}. "
        f"Seeds: {options.repeats}."
    )


# --- Data sets to train flows of the panel on ----------------------------------------------------


def mixture(count: int, rng: np.random.Generator) -> Array:
    """[n x 10]: eight Gaussians of equal weight, of different widths."""
    centres = 1.5 * np.random.default_rng(10).standard_normal((8, 10))
    mode = rng.integers(8, size=count)
    width = 0.3 + 0.05 * mode
    return centres[mode] + width[:, None] * rng.standard_normal((count, 10))


def curved(count: int, rng: np.random.Generator) -> Array:
    """[n x 64]: coordinates in pairs; the second follows the square of the first."""
    first = np.cumsum(rng.standard_normal((count, 32)), axis=1) / np.sqrt(np.arange(1, 33))
    second = 0.5 * first**2 + 0.3 * rng.standard_normal((count, 32))
    return np.concatenate((first, second), axis=1)


SETS = {"mixture_10": mixture, "curved_64": curved}


def write_sets(folder: Path, count: int = 65536) -> None:
    """Writes FOLDER/NAME.npy for each data set, and says how to train on it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SETS.items():
        np.save(folder / f"{name}.npy", draw(count, np.random.default_rng(1)).astype(np.float32))
        print(f"scripts/train_flow.py {folder}/{name}.npy -o {folder}/{name}.h5")
