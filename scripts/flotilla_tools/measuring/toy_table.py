# SPDX-License-Identifier: BSD-3-Clause
"""The effect of latent-space sampling on the three toys, as a markdown table."""

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence

import h5py
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.estimates import Estimate, estimate
from flotilla_tools.hdf5_files import dataset, opened, scalars_of
from flotilla_tools.plotting.flow_values import FlowValues
from flotilla_tools.program import Flotilla, as_words
from flotilla_tools.run_draws import committed
from flotilla_tools.toys import SUPPORT_WIDTHS, ToySet, toy_of_flow

NAMES = ("two_moons", "six_gaussians", "three_rings")
TARGETS: dict[str, dict[str, Any]] = {
    "beta = 1": {"target": "tempered", "beta": 1},
    "clipped": {"target": "clipped"},
}
PART = 65536
"""Draws handled at a time."""


class Options(argparse.Namespace):
    """How the toys are sampled."""

    flows: list[Path]
    flotilla: Path | None
    ranks: int
    chains: int
    warmup: int
    draws: int
    thin: int
    seed: int
    independent_draws: int


# --- Draws --------------------------------------------------------------------------------------


def toy_of(path: Path) -> ToySet:
    """The toy that the flow in `path` was trained on, as the file's provenance says."""
    toy = toy_of_flow(path)
    if toy is None:
        raise InputError(
            f"expected a flow trained on a toy in {path}, found another: train one with "
            "train_flow.py"
        )
    return toy


def true_draws(toy: ToySet, count: int, seed: int) -> Array:
    """[n x 1 x 2]: every draw counts as a chain."""
    return toy.sample(count, np.random.default_rng(seed))[:, None]


def naive_draws(path: Path, flotilla: Flotilla, count: int, seed: int) -> Array:
    """[n x 1 x 2] of x = f(z)."""
    return FlowValues(path, "", flotilla.path).naive(count, seed).x[:, None]


def run_draws(path: Path, target: str, flotilla: Flotilla, options: Options) -> Array:
    """[chain x draw x 2] of a run of the program."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run.h5"
        flotilla.sample(path, output, {**TARGETS[target], **settings(options), "no-latent": True})
        with h5py.File(output, "r") as file:
            return file["posterior/x"][()]


def settings(options: Options) -> dict[str, Any]:
    """The settings that all runs share."""
    names = ("chains", "warmup", "draws", "thin", "seed")
    return {name.replace("_", "-"): getattr(options, name) for name in names}


# --- Estimates ----------------------------------------------------------------------------------


class Row(NamedTuple):
    """The result of one way of sampling: fractions of draws."""

    toy: str
    sampling: str
    off_support: Estimate
    weights: list[Estimate]  # one per mode


def measure(toy: ToySet, sampling: str, draws: Array) -> Row:
    """The row of draws [chain x draw x 2]."""
    chains, length = draws.shape[:2]
    off_support = np.zeros(chains)
    weights = np.zeros((chains, toy.modes))
    step = max(1, PART // length)
    for first in range(0, chains, step):
        part = draws[first : first + step].astype(float)
        flat, shape = part.reshape(-1, 2), part.shape[:2]
        off_support[first : first + step] = toy.off_support(flat).reshape(shape).mean(axis=1)
        mode = toy.mode_of(flat).reshape(shape)
        for k in range(toy.modes):
            weights[first : first + step, k] = (mode == k).mean(axis=1)
    return Row(toy.name, sampling, estimate(off_support), [estimate(w) for w in weights.T])


def independent_rows(path: Path, flotilla: Flotilla, count: int, seed: int) -> list[Row]:
    """Rows of the toy itself and of naive draws of its flow, from this many draws of each."""
    toy = toy_of(path)
    return [
        measure(toy, "truth", true_draws(toy, count, seed)),
        measure(toy, "naive", naive_draws(path, flotilla, count, seed)),
    ]


def rows_of_run(
    run: Path, flow: Path | None, flotilla: Flotilla, count: int, seed: int
) -> list[Row]:
    """The same rows and that of a run's committed draws. `flow` replaces the run's flow file."""
    with opened(run, "a run file of flotilla sample") as file:
        facts, x = scalars_of(file), dataset(file, "posterior/x", 3)
        draws = x[:, : committed(file, x.shape[1])]
    path, target = flow or Path(str(facts.get("flow_file", ""))), facts.get("target", "unknown")
    if draws.shape[1] == 0:
        raise InputError(f"expected at least one committed draw in {run}, found none: run on")
    toy = toy_of(path)
    return [*independent_rows(path, flotilla, count, seed), measure(toy, f"run, {target}", draws)]


def rows(path: Path, flotilla: Flotilla, options: Options) -> Iterator[Row]:
    toy = toy_of(path)
    yield from independent_rows(path, flotilla, options.independent_draws, options.seed)
    for target in TARGETS:
        print(f"sampling {path.name}, {target}", file=sys.stderr, flush=True)
        yield measure(toy, target, run_draws(path, target, flotilla, options))


# --- The table ----------------------------------------------------------------------------------


EXPLANATION = (
    f"Off the support: farther than {SUPPORT_WIDTHS:g} noise standard deviations from every mode. "
    "± one standard error, for the runs between chains."
)
HEADER = ("toy", "sampling", "off the support (%)", "mode weights")


def with_error(value: float, error: float) -> str:
    """The value with two decimals, or more if the first digit of its standard error needs more."""
    decimals = 2
    if 0 < error < 0.01:
        decimals = min(4, math.ceil(-math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def cells(row: Row) -> tuple[str, str, str, str]:
    """The row as text; the weights share their largest standard error."""
    off = with_error(100 * row.off_support.mean, 100 * row.off_support.error)
    weights = " ".join(f"{weight.mean:.2f}" for weight in row.weights)
    error = max(weight.error for weight in row.weights)
    return row.toy, row.sampling, off, f"{weights} (± {error:.4f})"


def markdown(found: Sequence[Row]) -> str:
    """The table. Only the first row of a toy names it."""
    lines: list[tuple[str, ...]] = [HEADER, ("---", "---", "---:", "---")]
    for before, row in zip([None, *found], found):
        toy, *others = cells(row)
        lines.append(("" if before and before.toy == row.toy else toy, *others))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def caption(options: Options) -> str:
    common = " ".join(as_words(settings(options)))
    targets = " and ".join(f"`{' '.join(as_words(words))}`" for words in TARGETS.values())
    return (
        f"Runs: `mpirun -n {options.ranks} flotilla sample FLOW.h5 {common}` with {targets}. "
        f"Truth and naive: {options.independent_draws:,} independent draws. {EXPLANATION}"
    )
