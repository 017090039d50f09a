# SPDX-License-Identifier: BSD-3-Clause
"""Posteriors of images that were seen in part: runs, and intervals that hold the truth or not."""

import argparse
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Sequence

import h5py
import numpy as np

from flotilla_tools.arrays import Array, read_array
from flotilla_tools.errors import InputError
from flotilla_tools.estimates import estimate, split_r_hat
from flotilla_tools.observations import (
    Observation,
    observe,
    seen_pixels,
    side_of,
    write_observation,
)
from flotilla_tools.program import Flotilla

LEVELS = (0.5, 0.9)
"""Of the central intervals whose coverage is measured."""

MET = 1.1
"""Chains whose R-hat of log pi is at most this count as having met."""

NAIVE_DRAWS = 8192
"""Of the flow, among which starting points are looked for: about as many as there are images. The
farther off chains start, the longer they take to move in."""

DRAWS_KEPT = 4
"""Draws of an image that its result holds, each of a chain of its own, from both kinds of starts in
turns."""


class Options(argparse.Namespace):
    """Which flow and images, how they are observed, and how the posterior is sampled."""

    flow: Path
    truths: str
    output: Path
    images: int
    hide: str | None
    noise: float
    chains: int
    warmup: int
    draws: int
    thin: int
    step_size: float | None
    global_fraction: float
    seed: int
    figure: Path | None
    flotilla: Path | None


class Result(NamedTuple):
    """What is kept of an image: arrays [pixel], and numbers of its run."""

    truth: Array
    y: Array  # NaN where nothing was observed
    mean: Array
    deviation: Array
    draws: Array  # [DRAWS_KEPT x pixel]
    inside: Array  # [level x pixel], whether the interval holds the truth
    r_hat: Array
    lp: Array  # log pi [chain x draw]
    r_hat_lp: float
    lp_gap: float  # between the starts' means, in joint standard errors of chains
    acceptance_rate: float
    step_size: float
    seconds: float
    processor_seconds: float


# --- Runs ---------------------------------------------------------------------------------------


def read_truths(options: Options) -> Array:
    """[image x pixel], --images of them and enough others for chains to start from."""
    truths = read_array(options.truths, "an array [image x pixel]")
    truths = truths.reshape(-1, truths.shape[-1]).astype(float)
    least = max(options.images, options.chains // 2 + 1)
    if len(truths) < least:
        raise InputError(
            f"expected at least {least} images, for the truths and for starting points, found "
            f"{len(truths)} in {options.truths}"
        )
    return truths


def naive_draws(options: Options) -> Array:
    """[draw x pixel] of the flow, made once for a folder."""
    path = options.output / "naive.h5"
    if not path.exists():
        settings = {"target": "tempered", "beta": 0, "global-fraction": 1, "chains": NAIVE_DRAWS}
        phases = {"warmup": 0, "draws": 1, "no-adapt": True, "report-every": 0}
        Flotilla(options.flotilla, 1).sample(options.flow, path, {**settings, **phases})
    with h5py.File(path, "r") as file:
        draws: Array = file["posterior/x"][:, 0].astype(float)
    return draws


def starting_points(seen: Observation, naive: Array, others: Array, chains: int) -> Array:
    """[chain x pixel]: in turns the draws of the flow and the images that are nearest to y."""

    def nearest(points: Array) -> Array:
        distance = np.square(points[:, seen.indices] - seen.y).sum(axis=1)
        found: Array = points[np.argsort(distance)[: chains // 2]]
        return found

    return np.stack([nearest(naive), nearest(others)], axis=1).reshape(chains, -1)


def sample(options: Options, observation: Path, start: Path, number: int) -> tuple[Path, float]:
    """(run file, processor seconds)."""
    output = options.output / "run.h5"
    settings: dict[str, Any] = {
        name.replace("_", "-"): getattr(options, name)
        for name in ("chains", "warmup", "draws", "thin", "step_size", "global_fraction")
    }
    settings |= {"target": "posterior", "observe": observation, "start": start}
    settings |= {"tile-width": 32, "exchange-every": 5, "no-latent": True, "report-every": 0}
    settings |= {"seed": options.seed + number, "force": True}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    Flotilla(options.flotilla, 1, binding="none").sample(options.flow, output, settings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return output, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def gap_in_errors(lp: Array) -> float:
    """The distance of the mean log pi of even and odd chains of [chain x draw], in joint standard
    errors."""
    kinds = [estimate(lp[kind::2].mean(axis=1)) for kind in (0, 1)]
    return abs(kinds[0].mean - kinds[1].mean) / math.hypot(kinds[0].error, kinds[1].error)


def reduced(run: Path, seen: Observation, seconds: float, processor_seconds: float) -> Result:
    with h5py.File(run, "r") as file:
        x, lp = file["posterior/x"][()].astype(float), file["sample_stats/lp"][()]
        acceptance_rate, step_size = file.attrs["acceptance_rate"], file.attrs["step_size"]
    together = x.reshape(-1, x.shape[-1])
    inside = []
    for level in LEVELS:
        low, high = np.quantile(together, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        inside.append((low <= seen.truth) & (seen.truth <= high))
    y = np.full(len(seen.truth), np.nan)
    y[seen.indices] = seen.y
    return Result(
        truth=seen.truth,
        y=y,
        mean=together.mean(axis=0),
        deviation=together.std(axis=0),
        draws=x[:DRAWS_KEPT, -1],
        inside=np.array(inside),
        r_hat=split_r_hat(x),
        lp=lp,
        r_hat_lp=float(split_r_hat(lp)),
        lp_gap=gap_in_errors(lp),
        acceptance_rate=float(acceptance_rate),
        step_size=float(step_size),
        seconds=seconds,
        processor_seconds=processor_seconds,
    )


def posterior(options: Options, number: int, truths: Array, naive: Array) -> Result:
    """The result of one image."""
    rng = np.random.default_rng([options.seed, number])
    truth = truths[number]
    indices = seen_pixels(options.hide, side_of(len(truth)), rng)
    seen = observe(truth, options.noise, rng, indices=indices)
    observation, start = options.output / "observation.h5", options.output / "start.h5"
    write_observation(observation, seen)
    with h5py.File(start, "w") as file:
        others = np.delete(truths, number, axis=0)
        file["x"] = starting_points(seen, naive, others, options.chains)
    begun = time.monotonic()
    run, processor_seconds = sample(options, observation, start, number)
    return reduced(run, seen, time.monotonic() - begun, processor_seconds)


def result_of(options: Options, number: int, truths: Array, naive: Array) -> Result:
    """The result of one image, from the folder if it is there."""
    path = options.output / f"image_{number:04d}.npz"
    if path.exists():
        with np.load(path) as kept:
            return Result(**{name: kept[name] for name in Result._fields})
    result = posterior(options, number, truths, naive)
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, **result._asdict())
    unfinished.rename(path)
    print(
        f"image {number}: R-hat of log pi {result.r_hat_lp:.2f}, acceptance rate "
        f"{result.acceptance_rate:.2f} at step size {result.step_size:.3g}, "
        f"{result.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return result


def results_of(options: Options) -> list[Result]:
    """The results of all images. A folder that has some already goes on where it ended."""
    options.output.mkdir(parents=True, exist_ok=True)
    truths, naive = read_truths(options), naive_draws(options)
    return [result_of(options, number, truths, naive) for number in range(options.images)]


# --- The table ----------------------------------------------------------------------------------

HEADER = [
    "images",
    "number",
    "pixels",
    *(f"in the {100 * level:.0f} % interval (%)" for level in LEVELS),
    "error of the mean",
    "posterior deviation",
    "median R-hat of a pixel",
]


def percent(shares: Array) -> str:
    """Mean and standard error of shares [image], in percent."""
    mean, error = estimate(100.0 * shares)
    return f"{mean:.1f} ± {error:.1f}"


def row(name: str, results: Sequence[Result], seen: bool) -> list[str]:
    """Figures of the pixels that were seen, or of those that were not."""
    parts = [np.isfinite(result.y) == seen for result in results]
    covered = np.array([r.inside[:, part].mean(axis=1) for r, part in zip(results, parts)])
    errors = [np.square(r.mean - r.truth)[part].mean() for r, part in zip(results, parts)]
    spreads = [np.square(r.deviation)[part].mean() for r, part in zip(results, parts)]
    r_hats = np.concatenate([r.r_hat[part] for r, part in zip(results, parts)])
    return [
        name,
        str(len(results)),
        "seen" if seen else "hidden",
        *(percent(share) for share in covered.T),
        f"{math.sqrt(np.mean(errors)):.1f}",
        f"{math.sqrt(np.mean(spreads)):.1f}",
        f"{np.median(r_hats):.2f}",
    ]


def table(results: Sequence[Result]) -> list[list[str]]:
    """Rows of all images, and of those whose chains met and did not meet."""
    met = [result for result in results if result.r_hat_lp <= MET]
    apart = [result for result in results if result.r_hat_lp > MET]
    groups = {"all": results}
    if met and apart:
        groups |= {"chains met": met, "chains did not meet": apart}
    return [
        row(name, group, seen)
        for name, group in groups.items()
        for seen in (False, True)
        if seen or not np.isfinite(group[0].y).all()
    ]


def words_on_runs(results: Sequence[Result]) -> str:
    """One line about how the runs went."""
    r_hats = np.array([result.r_hat_lp for result in results])
    gaps = np.array([result.lp_gap for result in results])
    seconds = np.array([result.processor_seconds for result in results])
    return (
        f"R-hat of log pi: median {np.median(r_hats):.3f}, largest {r_hats.max():.2f}, at most "
        f"{MET} in {np.sum(r_hats <= MET)} of {len(results)}; distance of the two starts' mean log "
        f"pi: median {np.median(gaps):.1f} joint standard errors; {np.mean(seconds):.0f} processor "
        "seconds an image"
    )
