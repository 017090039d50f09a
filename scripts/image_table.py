#!/usr/bin/python3
"""Measures what sampling through the latent space does to a flow on images, as a markdown table.

    image_table.py fashion_mnist_glow.h5 fashion_mnist --figure traces.png     some 10 minutes
    image_table.py mine.h5 held_out.npy --chains 32 --warmup 200 --draws 20

For the held-out images, for naive draws x = f(z), z ~ q_Z, for naive draws at lower temperatures
(z shrunk by T) and for runs of the program: means of log q_X(x) and of l(z) = log|det J(z)|, and the
shares of draws below the 1 % and above the 99 % quantile of the held-out images' log q_X: draws that
were like the images would have 1 % beyond either.

Each target is run twice with seeds of their own, from q_Z and from held-out images: R-hat of lp (split
R-hat, Gelman et al. 2013) is over the chains of both runs, above 1.01 where they have not met.
Standard errors are of independent draws, for runs between chains.  --figure draws the traces of l.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from compare_speed import FLOTILLA, Flotilla, ProgramError
from flow_torch import load_flow
from plot_style import CHAINS, STYLE
from reference_torch import probability
from threads import set_threads
from train_flow import TrainingError, positive
from train_glow import dequantise, fashion_mnist, read_images

TEMPERATURES = (0.9, 0.7)
TARGETS = {
    "beta = 0.25": {"target": "tempered", "beta": 0.25},
    "beta = 0.5": {"target": "tempered", "beta": 0.5},
    "beta = 1": {"target": "tempered", "beta": 1},
    "clipped": {"target": "clipped"},
}
PART = 500
"""Images handled at a time."""


class Draws(NamedTuple):
    """What is known of some draws, all [chain x draw]."""

    log_q: np.ndarray
    log_det: np.ndarray
    lp: np.ndarray = None


# --- Draws --------------------------------------------------------------------------------------


def held_out_images(options):
    """[n x coordinate], dequantised."""
    if options.images == "fashion_mnist":
        images = fashion_mnist("t10k")
    else:
        images = read_images(options.images)
    flat = images.reshape(len(images), -1)
    return dequantise(flat, np.random.default_rng(options.seed)).numpy()


@torch.no_grad()
def of_images(flow, x):
    parts = [flow.inverse(torch.from_numpy(part)) for part in np.array_split(x, len(x) // PART + 1)]
    log_q = [flow.base.log_density(z) - log_det for z, log_det in parts]
    log_det = torch.cat([log_det for _, log_det in parts])
    return Draws(torch.cat(log_q).numpy()[:, None], log_det.numpy()[:, None])


@torch.no_grad()
def naive(flow, count, temperature, seed):
    """Independent draws of q_Z, shrunk towards zero."""
    generator = torch.Generator().manual_seed(seed)
    z = temperature * flow.base.sample(count, generator, torch.float32)
    log_det = torch.cat([flow(part)[1] for part in z.split(PART)])
    log_q = flow.base.log_density(z) - log_det
    return Draws(log_q.numpy()[:, None], log_det.numpy()[:, None])


def run_draws(flotilla, flow, target, start, seed, level, options):
    """(Draws, clip level): the level is the run's own estimate where none is given."""
    names = ("chains", "tile_width", "warmup", "draws", "thin", "kernel", "global_fraction")
    names += ("exchange_every",)
    settings = {name.replace("_", "-"): getattr(options, name) for name in names}
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run.h5"
        more = {"start": start, "seed": seed, "clip-level": level}
        flotilla.sample(options.flow, output, {**settings, **TARGETS[target], **more})
        with h5py.File(output, "r") as file:
            stats, z = file["sample_stats"], file["unconstrained_posterior/z"][()]
            log_det, lp = stats["log_det_jacobian"][()], stats["lp"][()]
            acceptance = float(file.attrs["acceptance_rate"]), float(file.attrs["step_size"])
            lost = int(file.attrs["non_finite_proposals"])
            level = file.attrs.get("clip_level")
    log_base = flow.base.log_density(torch.from_numpy(z.reshape(-1, z.shape[2])).double())
    print(
        f"{target}, start {start or 'q_Z'}: acceptance rate {acceptance[0]:.3f} at step size "
        f"{acceptance[1]:.3g}, {lost} non-finite proposals", file=sys.stderr, flush=True,
    )
    return Draws(log_base.numpy().reshape(log_det.shape) - log_det, log_det, lp), level


# --- Estimates ----------------------------------------------------------------------------------


def estimate(values, decimals):
    """Mean and standard error of [chain x draw], between chains."""
    by_chain = values.mean(axis=1)
    error = by_chain.std(ddof=1) / math.sqrt(len(by_chain))
    return f"{by_chain.mean():.{decimals}f} ± {error:.{decimals}f}"


def split_r_hat(chains):
    """Of [chain x draw]: each chain's halves count as chains of their own."""
    half = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :half], chains[:, -half:]])
    within = halves.var(axis=1, ddof=1).mean()
    between = half * halves.mean(axis=1).var(ddof=1)
    return math.sqrt(((half - 1) / half * within + between / half) / within)


def row(name, draws, quantiles, r_hat=None):
    return [
        name, estimate(draws.log_q, 0), estimate(draws.log_det, 0),
        estimate(100.0 * (draws.log_q < quantiles[0]), 1),
        estimate(100.0 * (draws.log_q > quantiles[1]), 1),
        "" if r_hat is None else f"{r_hat:.2f}",
    ]


HEADER = [
    "draws", "log q_X (nats)", "l (nats)", "below 1 % quantile (%)", "above 99 % quantile (%)",
    "R-hat of lp",
]


def measure(options, start):
    """(rows, traces): traces maps targets to (from q_Z, from images) of l [chain x draw]."""
    flow = load_flow(options.flow)
    images = held_out_images(options)
    with h5py.File(start, "w") as file:
        file["x"] = images
    held_out = of_images(flow, images)
    quantiles = np.quantile(held_out.log_q, [0.01, 0.99])
    rows = [row("held-out images", held_out, quantiles)]
    for temperature in (1.0, *TEMPERATURES):
        name = "naive" if temperature == 1.0 else f"naive, temperature {temperature:g}"
        draws = naive(flow, len(images), temperature, options.seed)
        rows.append(row(name, draws, quantiles))
    flotilla, traces = Flotilla(options.flotilla, options.ranks, binding="none"), {}
    for number, target in enumerate(options.targets):
        seeds = (options.seed + 2 * number, options.seed + 2 * number + 1)
        runs, level = [], None
        for where, seed in zip((None, start), seeds):
            run, level = run_draws(flotilla, flow, target, where, seed, level, options)
            runs.append(run)
        r_hat = split_r_hat(np.concatenate([run.lp for run in runs]))
        for where, run in zip(("q_Z", "images"), runs):
            rows.append(row(f"{target}, from {where}", run, quantiles, r_hat))
        traces[target] = [run.log_det for run in runs]
    return rows, traces


def draw_traces(traces, thin, path):
    plt.rcParams.update(STYLE)
    figure, panels = plt.subplots(
        1, len(traces), figsize=(3.1 * len(traces), 2.6), layout="constrained", squeeze=False
    )
    for axes, (target, runs) in zip(panels[0], traces.items()):
        for run, colour, label in zip(runs, CHAINS, ("from q_Z", "from images")):
            steps = thin * np.arange(1, run.shape[1] + 1)
            for i, chain in enumerate(run[:8]):
                axes.plot(
                    steps, chain, color=colour, linewidth=0.5, alpha=0.7,
                    label=label if i == 0 else None,
                )
        axes.set(title=target, xlabel="step after warm-up")
    panels[0][0].set_ylabel("l(z) (nats)")
    panels[0][-1].legend(loc="best")
    figure.savefig(path, format="png")
    plt.close(figure)


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("flow", type=Path, help="flow file")
    add("images", help="held-out images: fashion_mnist (its test images), FILE.npy, .npz or .h5")
    add("--targets", nargs="+", choices=TARGETS, default=tuple(TARGETS), help="(default all)")
    add("--kernel", choices=("mala", "metric-mala"), default="mala", help="(default %(default)s)")
    add("--chains", type=positive(int), default=64, help="of each run (default %(default)s)")
    add("--tile-width", type=positive(int), default=32, help="(default %(default)s)")
    add("--warmup", type=positive(int), default=1000, help="steps (default %(default)s)")
    add("--exchange-every", type=positive(int), default=2, help="steps (default %(default)s)")
    add("--draws", type=positive(int), default=100, help="a chain (default %(default)s)")
    add("--thin", type=positive(int), default=5, help="steps a draw (default %(default)s)")
    add("--global-fraction", type=probability, default=0.1, help="(default %(default)s)")
    add("--ranks", type=positive(int), default=2, help="(default %(default)s)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--figure", type=Path, help="PNG of the traces of l to write")
    add("--flotilla", type=Path, default=FLOTILLA, help="the program (default: the release build)")
    options = parser.parse_args(arguments)
    if options.draws < 4 or options.chains < 2:
        parser.error("expected at least 2 chains of at least 4 draws: R-hat needs them")
    return options


def main():
    options = parse()
    set_threads(1)
    try:
        with tempfile.TemporaryDirectory() as directory:
            rows, traces = measure(options, Path(directory) / "start.h5")
        if options.figure:
            draw_traces(traces, options.thin, options.figure)
    except (ValueError, OSError, ProgramError, TrainingError) as problem:
        sys.exit(f"image_table.py: {problem}")
    for cells in (HEADER, ["---", *["---:"] * (len(HEADER) - 1)], *rows):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
