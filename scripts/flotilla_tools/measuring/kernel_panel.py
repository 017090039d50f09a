# SPDX-License-Identifier: BSD-3-Clause
"""Effective draws of the defaults and of a grid of kernels, on a panel of flows and targets."""

import argparse
import json
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
SHARES = (0, 0.1, 0.3, 0.6, 0.9)


class Options(argparse.Namespace):
    """What is measured, and with how many chains."""

    flows: list[Path]
    targets: list[str]
    flotilla: Path | None
    ranks: int
    chains: int
    warmup: int
    draws: int
    seed: int
    sets: Path | None


class Yield(NamedTuple):
    """What a run gave: the smallest bulk or tail ESS of any quantity."""

    per_gradient: float
    per_second: float
    seconds: float  # warm-up and sampling
    converged: bool  # by `summary --strict`
    settings: Settings


def measure(flow: Path, flotilla: Flotilla, settings: Settings) -> Yield:
    """Runs the program and its summary."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.h5"
        flotilla.sample(flow, run, {**settings, "report-every": 0, "no-latent": True})
        words = [str(flotilla.path), "summary", str(run), "--json", "--strict"]
        done = subprocess.run(
            words, env=flotilla.environment, capture_output=True, text=True, check=False
        )
        figures = json.loads(done.stdout)
        with h5py.File(run, "r") as file:
            seconds = file.attrs["warmup_seconds"] + file.attrs["sampling_seconds"]
    sampling = figures["sampling"]
    return Yield(
        sampling["ess_per_gradient"],
        sampling["ess_per_second"],
        float(seconds),
        done.returncode == 0,
        settings,
    )


class Row(NamedTuple):
    """A flow and a target."""

    name: str
    before: Yield  # with the settings of the paper
    now: Yield  # with the defaults
    best: Yield  # of the grid


def grid(target: Settings, options: Options) -> Iterator[Settings]:
    """Every setting of the grid; global moves alone come once."""
    size = {name: getattr(options, name) for name in ("chains", "warmup", "draws", "seed")}
    for share in SHARES:
        for kernel in KERNELS:
            yield {**target, **kernel, **size, "global-fraction": share}
    yield {**target, **KERNELS[0], **size, "global-fraction": 1}


def rows(flotilla: Flotilla, options: Options) -> Iterator[Row]:
    for flow in options.flows:
        for name in options.targets:
            print(f"measuring {flow.stem}, {name}", file=sys.stderr, flush=True)
            target = {**TARGETS[name], "seed": options.seed}
            before = measure(flow, flotilla, {**target, **PAPER})
            now = measure(flow, flotilla, target)
            found = [measure(flow, flotilla, one) for one in grid(TARGETS[name], options)]
            best = max(found, key=lambda one: one.per_gradient)
            yield Row(f"{flow.stem}, {name}", before, now, best)


# --- The table ----------------------------------------------------------------------------------


HEADER = (
    "flow, target",
    "paper: ESS per gradient, second",
    "default: ESS per gradient, second",
    "best of the grid",
    "with",
    "default / best",
    "default / paper",
    "run (s)",
    "strict",
)


def cells(row: Row) -> tuple[str, ...]:
    best = row.best.settings
    return (
        row.name,
        f"{row.before.per_gradient:.4f}, {row.before.per_second:.3g}",
        f"{row.now.per_gradient:.4f}, {row.now.per_second:.3g}",
        f"{row.best.per_gradient:.4f}, {row.best.per_second:.3g}",
        f"{best['kernel']} {best['target-accept']}, share {best['global-fraction']}",
        f"{row.now.per_gradient / row.best.per_gradient:.2f}",
        f"{row.now.per_gradient / row.before.per_gradient:.1f}",
        f"{row.before.seconds:.0f} → {row.now.seconds:.0f}",
        f"{verdict(row.before)} → {verdict(row.now)}",
    )


def verdict(found: Yield) -> str:
    return "converged" if found.converged else "not"


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def header() -> str:
    return "\n".join((line(HEADER), line(["---"] * len(HEADER))))


def caption(options: Options) -> str:
    size = {"chains": options.chains, "warmup": options.warmup, "draws": options.draws}
    return (
        f"Paper: `{' '.join(as_words(PAPER))}`. Grid: `{' '.join(as_words(size))}`, kernels "
        f"{', '.join(' '.join(map(str, kernel.values())) for kernel in KERNELS)}, shares of global "
        f"moves {', '.join(map(str, SHARES))}, 1. Ranks: {options.ranks}. One seed. ESS is the "
        "smallest of bulk and tail, over coordinates, l and lp."
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
