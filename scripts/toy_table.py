#!/usr/bin/python3
"""Measures what sampling through the latent space does to the three toys, as a markdown table.

    toy_table.py                                 about two minutes
    toy_table.py --ranks 1 --draws 200 two_moons.h5

For each flow trained on a toy: fresh draws of the toy itself (truth), naive draws x = f(z) with
z ~ N(0, I), and runs of the program on the tempered target at beta = 1 and on the clipped target
with the program's defaults.  Of each, the percentage of draws off the toy's support and the weight
of each of its modes, a draw counting for the nearest.  Standard errors: of independent draws for
the first two, between chains for the runs.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch

from compare_speed import FLOTILLA, Flotilla, ProgramError, as_words
from flow_torch import load_flow
from reference_torch import probability
from threads import set_threads
from toy_sets import SUPPORT_WIDTHS, toy_set
from train_flow import positive

FLOWS = Path(__file__).resolve().parent.parent / "apps/flows"
NAMES = ("two_moons", "six_gaussians", "three_rings")
TARGETS = {
    "beta = 1": {"target": "tempered", "beta": 1},
    "clipped": {"target": "clipped"},
}
PART = 65536
"""Draws handled at a time."""


class TableError(ValueError):
    """A table that cannot be made; the message is one sentence for the user."""


# --- Draws --------------------------------------------------------------------------------------


def toy_of(path):
    """The toy that the flow in `path` was trained on, as the file's provenance says."""
    if not path.is_file():
        raise TableError(f"expected a flow file at {path}, found none: train it with train_flow.py")
    with h5py.File(path, "r") as file:
        provenance = dict(file["provenance"].attrs) if "provenance" in file else {}
    name = str(provenance.get("dataset", "nothing"))
    toy = toy_set(name, provenance.get("dataset_noise"))
    if toy is None:
        raise TableError(f"expected a flow trained on a toy in {path}, found one trained on {name}")
    return toy


def true_draws(toy, options):
    """[n x 1 x 2]: every draw counts as a chain of its own."""
    return toy.sample(options.independent_draws, np.random.default_rng(options.seed))[:, None]


@torch.no_grad()
def naive_draws(path, options):
    """[n x 1 x 2] of x = f(z)."""
    flow = load_flow(path)
    generator = torch.Generator().manual_seed(options.seed)
    z = flow.base.sample(options.independent_draws, generator, torch.float32)
    return torch.cat([flow(part)[0] for part in z.split(PART)]).numpy()[:, None]


def run_draws(path, target, flotilla, options):
    """[chain x draw x 2] of a run of the program."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run.h5"
        flotilla.sample(path, output, {**TARGETS[target], **settings(options), "no-latent": True})
        with h5py.File(output, "r") as file:
            return file["posterior/x"][()]


def settings(options):
    """What all runs have in common."""
    names = ("chains", "warmup", "draws", "thin", "global_fraction", "seed")
    return {name.replace("_", "-"): getattr(options, name) for name in names}


# --- Estimates ----------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """A mean over draws and its standard error."""

    mean: float
    error: float


class Row(NamedTuple):
    """What one way of sampling gives: fractions of draws."""

    toy: str
    sampling: str
    off_support: Estimate
    weights: list  # of Estimates, one a mode


def measure(toy, sampling, draws):
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


def estimate(by_chain):
    """From means over chains that know nothing of each other."""
    if len(by_chain) < 2:
        return Estimate(float(by_chain.mean()), float("nan"))
    return Estimate(float(by_chain.mean()), float(by_chain.std(ddof=1) / math.sqrt(len(by_chain))))


def rows(path, flotilla, options):
    toy = toy_of(path)
    yield measure(toy, "truth", true_draws(toy, options))
    yield measure(toy, "naive", naive_draws(path, options))
    for target in TARGETS:
        print(f"sampling {path.name}, {target}", file=sys.stderr, flush=True)
        yield measure(toy, target, run_draws(path, target, flotilla, options))


# --- The table ----------------------------------------------------------------------------------


HEADER = ("toy", "sampling", "off the support (%)", "mode weights")


def with_error(value, error):
    """The value to two decimals, or as many more as its standard error's first digit needs."""
    decimals = 2
    if 0 < error < 0.01:
        decimals = min(4, math.ceil(-math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def cells(row):
    """The row as text; the weights share their largest standard error."""
    off = with_error(100 * row.off_support.mean, 100 * row.off_support.error)
    weights = " ".join(f"{weight.mean:.2f}" for weight in row.weights)
    error = max(weight.error for weight in row.weights)
    return row.toy, row.sampling, off, f"{weights} (± {error:.4f})"


def markdown(found):
    """The table; a toy is named in its first row only."""
    lines = [HEADER, ("---", "---", "---:", "---")]
    for before, row in zip([None, *found], found):
        toy, *others = cells(row)
        lines.append(("" if before and before.toy == row.toy else toy, *others))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def caption(options):
    common = " ".join(as_words(settings(options)))
    targets = " and ".join(f"`{' '.join(as_words(words))}`" for words in TARGETS.values())
    return (
        f"Runs: `mpirun -n {options.ranks} flotilla sample FLOW.h5 {common}` with {targets}. "
        f"Truth and naive: {options.independent_draws:,} independent draws. Off the support: "
        f"farther than {SUPPORT_WIDTHS:g} noise standard deviations from every mode. "
        "± one standard error, for the runs between chains."
    )


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    flows = [FLOWS / f"{name}.h5" for name in NAMES]
    add("flows", type=Path, nargs="*", default=flows, help="flow files (default: the shipped ones)")
    add("--flotilla", type=Path, default=FLOTILLA, help="the program (default: the release build)")
    add("--ranks", type=positive(int), default=2, help="(default %(default)s)")
    add("--chains", type=positive(int), default=1024, help="(default %(default)s)")
    add("--warmup", type=positive(int), default=500, help="steps (default %(default)s)")
    add("--draws", type=positive(int), default=1000, help="a chain (default %(default)s)")
    add("--thin", type=positive(int), default=5, help="steps a draw (default %(default)s)")
    add("--global-fraction", type=probability, default=0.1, help="(default %(default)s)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--independent-draws", type=positive(int), default=1_000_000, help="(default %(default)s)")
    return parser.parse_args(arguments)


def main():
    options = parse()
    set_threads(1)
    try:
        flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
        found = [row for path in options.flows for row in rows(path, flotilla, options)]
    except (ProgramError, ValueError, OSError) as problem:
        sys.exit(f"toy_table.py: {problem}")
    print(f"{markdown(found)}\n\n{caption(options)}")


if __name__ == "__main__":
    main()
