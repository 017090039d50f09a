# SPDX-License-Identifier: BSD-3-Clause
"""The effect of latent-space sampling on a flow of images, as a markdown table."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

import h5py
import matplotlib.pyplot as plt
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.estimates import estimate, split_r_hat
from flotilla_tools.images import dequantise, images_of
from flotilla_tools.plotting.style import CHAINS, STYLE
from flotilla_tools.program import Flotilla
from flotilla_tools.torch_flows import draws as flow_draws
from flotilla_tools.torch_flows.draws import Points
from flotilla_tools.torch_flows.flow import Flow, load_flow

TEMPERATURES = (0.9, 0.7)
TARGETS: dict[str, dict[str, Any]] = {
    "beta = 0.25": {"target": "tempered", "beta": 0.25},
    "beta = 0.5": {"target": "tempered", "beta": 0.5},
    "beta = 1": {"target": "tempered", "beta": 1},
    "clipped": {"target": "clipped"},
}


class Draws(NamedTuple):
    """Figures of some draws, all [chain x draw]."""

    log_q: Array
    log_det: Array
    lp: Array | None = None


class Options(argparse.Namespace):
    """Which flow and images, and how they are sampled."""

    flow: Path
    images: str
    targets: Sequence[str]
    kernel: str
    chains: int
    tile_width: int
    warmup: int
    exchange_every: int
    draws: int
    thin: int
    global_fraction: float
    ranks: int
    seed: int
    figure: Path | None
    flotilla: Path | None


# --- Draws --------------------------------------------------------------------------------------


def held_out_images(options: Options) -> Array:
    """[n x coordinate], dequantised."""
    images = images_of(options.images, "t10k")
    return dequantise(images.reshape(len(images), -1), np.random.default_rng(options.seed))


def independent(points: Points) -> Draws:
    """Draws as chains of one draw each."""
    return Draws(points.log_q[:, None], points.log_det[:, None])


def run_draws(
    flotilla: Flotilla,
    flow: Flow,
    target: str,
    start: Path | None,
    seed: int,
    level: float | None,
    options: Options,
) -> tuple[Draws, float | None]:
    """(Draws, clip level). The level is the run's own estimate if none is given."""
    names = [
        "chains",
        "tile_width",
        "warmup",
        "draws",
        "thin",
        "kernel",
        "global_fraction",
        "exchange_every",
    ]
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
    print(
        f"{target}, start {start or 'q_Z'}: acceptance rate {acceptance[0]:.3f} at step size "
        f"{acceptance[1]:.3g}, {lost} non-finite proposals",
        file=sys.stderr,
        flush=True,
    )
    return Draws(flow_draws.base_log_density(flow, z) - log_det, log_det, lp), level


# --- Estimates ----------------------------------------------------------------------------------


def between_chains(values: Array, decimals: int) -> str:
    """Mean and standard error of [chain x draw], between chains, as text."""
    mean, error = estimate(values.mean(axis=1))
    return f"{mean:.{decimals}f} ± {error:.{decimals}f}"


def row(name: str, draws: Draws, quantiles: Array, r_hat: float | None = None) -> list[str]:
    return [
        name,
        between_chains(draws.log_q, 0),
        between_chains(draws.log_det, 0),
        between_chains(100.0 * (draws.log_q < quantiles[0]), 1),
        between_chains(100.0 * (draws.log_q > quantiles[1]), 1),
        "" if r_hat is None else f"{r_hat:.2f}",
    ]


HEADER = [
    "draws",
    "log q_X (nats)",
    "l (nats)",
    "below 1 % quantile (%)",
    "above 99 % quantile (%)",
    "R-hat of lp",
]


def measure(options: Options, start: Path) -> tuple[list[list[str]], dict[str, list[Array]]]:
    """(rows, traces): traces maps targets to (from q_Z, from images) of l [chain x draw]."""
    flow = load_flow(options.flow)
    images = held_out_images(options)
    with h5py.File(start, "w") as file:
        file["x"] = images
    held_out = independent(flow_draws.at_points(flow, images))
    quantiles = np.quantile(held_out.log_q, [0.01, 0.99])
    rows = [row("held-out images", held_out, quantiles)]
    for temperature in (1.0, *TEMPERATURES):
        name = "naive" if temperature == 1.0 else f"naive, temperature {temperature:g}"
        draws = independent(flow_draws.naive(flow, len(images), options.seed, temperature))
        rows.append(row(name, draws, quantiles))
    flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
    traces = {}
    for number, target in enumerate(options.targets):
        seeds = (options.seed + 2 * number, options.seed + 2 * number + 1)
        runs, level = [], None
        for where, seed in zip((None, start), seeds):
            run, level = run_draws(flotilla, flow, target, where, seed, level, options)
            runs.append(run)
        r_hat = float(split_r_hat(np.concatenate([run.lp for run in runs])))
        for origin, run in zip(("q_Z", "images"), runs):
            rows.append(row(f"{target}, from {origin}", run, quantiles, r_hat))
        traces[target] = [run.log_det for run in runs]
    return rows, traces


def draw_traces(traces: Mapping[str, list[Array]], thin: int, path: Path) -> None:
    plt.rcParams.update(STYLE)
    figure, panels = plt.subplots(
        1, len(traces), figsize=(3.1 * len(traces), 2.6), layout="constrained", squeeze=False
    )
    for axes, (target, runs) in zip(panels[0], traces.items()):
        for run, colour, label in zip(runs, CHAINS, ("from q_Z", "from images")):
            steps = thin * np.arange(1, run.shape[1] + 1)
            for i, chain in enumerate(run[:8]):
                axes.plot(
                    steps,
                    chain,
                    color=colour,
                    linewidth=0.5,
                    alpha=0.7,
                    label=label if i == 0 else None,
                )
        axes.set(title=target, xlabel="step after warm-up")
    panels[0][0].set_ylabel("l(z) (nats)")
    panels[0][-1].legend(loc="best")
    figure.savefig(path, format="png")
    plt.close(figure)
