# SPDX-License-Identifier: BSD-3-Clause
"""The panels that compare a run with naive draws: densities, their ratio, shares in the tails."""

from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import MaxNLocator

from flotilla_tools.arrays import Array
from flotilla_tools.estimates import Estimate, estimate
from flotilla_tools.plotting.flow_values import Evaluation, FlowValues
from flotilla_tools.plotting.plain_numbers import percent
from flotilla_tools.plotting.run_file import Run
from flotilla_tools.plotting.style import NAIVE, RUN
from flotilla_tools.toys import ToySet

DENSITY = LinearSegmentedColormap.from_list(
    "density", ["#d9e6ee", "#7fb3cf", "#2f6f9f", "#173a66", "#0a1430"]
)
"""From a single point, which has to stand out from white, to the peaks."""

RATIO = LinearSegmentedColormap.from_list("ratio", [NAIVE, "#f3efe9", RUN])
"""Orange where naive draws are denser, blue where the run is."""

MOST_RATIO = 3
"""Powers of two between the run and naive draws that the colours reach."""

FEWEST_POINTS = 8
"""Of both kinds in a bin whose ratio is shown."""

TAIL = 0.01
"""Share of naive draws that a tail begins with."""

MOST_STRETCHED = 0.9
"""Quantile of l(z) at naive draws that is outlined in latent space."""

LATENT_FRAME = 4.2
GRID = 200
"""Points along each side of the grid that l(z) is evaluated on."""


class Material(NamedTuple):
    """What panels show: a run, and values of its flow where the flow is at hand."""

    run: Run
    flow: FlowValues | None = None
    naive: Evaluation | None = None  # at as many naive draws as the run has points
    own: Evaluation | None = None  # at the run's points
    toy: ToySet | None = None  # what the flow was trained on, if its support is known


class Panel(NamedTuple):
    """A panel of a figure, or a picture of its own on a page."""

    caption: str
    draw: Callable[[Axes, Material], None]


# --- Where draws are ----------------------------------------------------------------------------


def finite(points: Array) -> Array:
    """Of points [n x dim] or values [n], those that are finite, as double."""
    points = np.asarray(points, dtype=float)
    kept = np.isfinite(points) & (np.abs(points) < 1e100)
    return points[kept if points.ndim == 1 else kept.all(axis=1)]


def limits(samples: Sequence[Array], tail: float = 0.002) -> tuple[Array, Array]:
    """(low, high) [coordinates] of a frame around nearly all of each sample [n x coordinates]."""
    samples = [sample for sample in map(finite, samples) if len(sample)]
    if not samples:
        return np.full(2, -1.0), np.full(2, 1.0)
    low = np.min([np.quantile(sample, tail, axis=0) for sample in samples], axis=0)
    high = np.max([np.quantile(sample, 1 - tail, axis=0) for sample in samples], axis=0)
    margin = 0.1 * (high - low)
    # A chain that never moved has a frame too.
    margin = np.where(margin > 1e-9 * np.maximum(np.abs(low), np.abs(high)), margin, 0)
    margin = np.where(margin > 0, margin, 0.05 * np.maximum(np.abs(high), 1))
    return low - margin, high + margin


def plane(material: Material) -> tuple[Array, Array, Array | None]:
    """(edges [2 x bins + 1], the run's points [n x 2], naive ones or None) of the first two
    coordinates, in a square frame around both."""
    own = finite(material.run.x[..., :2].reshape(-1, 2))
    naive = None if material.naive is None else finite(material.naive.x[:, :2])
    low, high = limits([own] if naive is None else [own, naive])
    centre, half = (low + high) / 2, np.max(high - low) / 2
    bins = int(np.clip(np.sqrt(len(own)) / 3, 24, 120))
    return np.linspace(centre - half, centre + half, bins + 1).T, own, naive


def counts(points: Array, edges: Array) -> Array:
    """Points in each bin, [bins x bins], the first coordinate along the first axis."""
    return np.asarray(np.histogramdd(points, bins=list(edges))[0])


def off_support(material: Material, x: Array) -> Estimate | None:
    """The share of draws x [chain x draw x 2] off the support, if that is known."""
    if material.toy is None:
        return None
    off = material.toy.off_support(x.reshape(-1, 2).astype(float)).reshape(x.shape[:2])
    return estimate(off.mean(axis=1))


def scale_of(edges: Array, *samples: Array | None) -> LogNorm:
    """Colours for densities of all samples [n x 2], from a single point in a bin to the peak."""
    area = bin_area(edges)
    found = [sample for sample in samples if sample is not None and len(sample)]
    peak = max([counts(sample, edges).max() / len(sample) for sample in found] or [1.0])
    most = max([len(sample) for sample in found] or [1])
    return LogNorm(min(1 / most, max(peak, 1 / most) / 10) / area, max(peak, 1 / most) / area)


def bin_area(edges: Array) -> float:
    return float(np.prod(edges[:, 1] - edges[:, 0]))


def draw_density(axes: Axes, points: Array, edges: Array, scale: LogNorm, title: str) -> None:
    """A density of the first two coordinates in colours, by orders of magnitude."""
    density = counts(points, edges) / bin_area(edges) / max(1, len(points))
    shown = np.where(density > 0, density, np.nan).T
    mesh = axes.pcolormesh(*edges, shown, cmap=DENSITY, norm=scale, rasterized=True)
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("density of draws")
    bar.outline.set_visible(False)
    frame(axes, edges, "x")
    axes.set_title(title)


def frame(axes: Axes, edges: Array, name: str) -> None:
    axes.set(xlim=edges[0, [0, -1]], ylim=edges[1, [0, -1]], aspect="equal")
    axes.set(xlabel=f"${name}_0$", ylabel=f"${name}_1$")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def told_off_support(material: Material, x: Array) -> str:
    """A line of a title: the share of draws off the support, where it is known."""
    off = off_support(material, x)
    return "" if off is None else f"{percent(off.mean, off.error)} off the support\n"


def draw_naive(axes: Axes, material: Material) -> None:
    edges, own, naive = plane(material)
    assert naive is not None and material.naive is not None
    title = f"{len(naive):,} naive draws, $x = f(z)$, $z \\sim q_Z$"
    off = told_off_support(material, material.naive.x[:, None])
    scale = scale_of(edges, own, naive)
    draw_density(axes, naive, edges, scale, f"Naive draws{colon(off)}{title}")


def draw_run(axes: Axes, material: Material) -> None:
    edges, own, naive = plane(material)
    run = material.run
    title = f"{run.points:,} of {run.chains * run.draws:,} draws"
    if len(own) < run.points:
        title += f", {run.points - len(own):,} not finite"
    off = told_off_support(material, run.x)
    scale = scale_of(edges, own, naive)
    draw_density(axes, own, edges, scale, f"The run{colon(off)}{title}")


def colon(told: str) -> str:
    """What a heading says after its first words."""
    return f": {told}" if told else "\n"


def draw_ratio(axes: Axes, material: Material) -> None:
    """Where the run has more draws than naive sampling, and where fewer."""
    edges, own, naive = plane(material)
    assert naive is not None
    draw_quotient(axes, own, naive, edges[:, ::2])
    frame(axes, edges, "x")
    axes.set_title("What the run changes\nblue: more draws than naive; orange: fewer")


def draw_quotient(axes: Axes, own: Array, naive: Array, edges: Array) -> None:
    """Density of the run over that of naive draws, where there are enough of both."""
    one, other = counts(own, edges), counts(naive, edges)
    # Half a point more keeps empty bins finite.
    ratio = np.log2((one + 0.5) / max(1, len(own))) - np.log2((other + 0.5) / max(1, len(naive)))
    mesh = axes.pcolormesh(
        *edges,
        np.where(one + other >= FEWEST_POINTS, ratio, np.nan).T,
        cmap=RATIO,
        vmin=-MOST_RATIO,
        vmax=MOST_RATIO,
        rasterized=True,
    )
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=25, pad=0.02, extend="both")
    powers = range(-MOST_RATIO, MOST_RATIO + 1)
    bar.set_ticks(list(powers), labels=[f"{2**p}" if p >= 0 else f"1/{2**-p}" for p in powers])
    bar.set_label("density of the run / of naive draws")
    bar.outline.set_visible(False)


def draw_latent(axes: Axes, material: Material) -> None:
    """The same in latent space, with lines around where the map stretches most."""
    assert material.flow is not None and material.naive is not None and material.own is not None
    own, naive = finite(material.own.z), finite(material.naive.z)
    edges = np.linspace(np.full(2, -LATENT_FRAME), np.full(2, LATENT_FRAME), 61).T
    draw_quotient(axes, own, naive, edges)
    side = np.linspace(-LATENT_FRAME, LATENT_FRAME, GRID)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_det = material.flow.forward(grid).log_det_jacobian.reshape(GRID, GRID)
    level = np.quantile(finite(material.naive.log_det_jacobian), MOST_STRETCHED)
    if np.nanmin(log_det) < level < np.nanmax(log_det):
        line = {"colors": "black", "linewidths": 0.7, "linestyles": "solid"}
        axes.contour(side, side, log_det, [level], **line)
    frame(axes, edges, "z")
    axes.set_title("The same in latent space\nwithin the line: the most stretched tenth")


# --- Shares in the tails ------------------------------------------------------------------------


def draw_stretch(axes: Axes, material: Material) -> None:
    """How much the map stretches volume at the draws: bridges are where it does most."""
    naive = None if material.naive is None else finite(material.naive.log_det_jacobian)
    draw_tail(axes, material.run.log_det, naive, upper=True)
    axes.set_xlabel("$\\ell(z) = \\log\\,|\\det J(z)|$ (nats)")


def draw_log_density(axes: Axes, material: Material) -> None:
    """How likely the draws are under the density that the flow learnt."""
    assert material.own is not None and material.naive is not None
    own = material.own.log_density.reshape(material.run.x.shape[:2])
    draw_tail(axes, own, finite(material.naive.log_density), upper=False)
    axes.set_xlabel("$\\log q_X(x)$ (nats)")


def draw_tail(axes: Axes, own: Array, naive: Array | None, upper: bool) -> None:
    """Densities of a value [chain x draw] and of naive draws [n], and the share of the run beyond
    a tail of the naive ones."""
    shown = finite(own.reshape(-1))
    told = "Stretching" if upper else "Log density"
    if naive is None or not len(naive):
        draw_histograms(axes, [(shown, "run")])
        axes.set_title(f"{told}\nof {shown.size:,} draws")
        return
    draw_histograms(axes, [(shown, "run"), (naive, "naive")])
    axes.legend(loc="upper right" if upper else "upper left", handlelength=1.2)
    level = float(np.quantile(naive, 1 - TAIL if upper else TAIL))
    axes.axvline(level, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    share = estimate((own > level if upper else own < level).mean(axis=1))
    extreme, where = ("most", "stretched") if upper else ("least", "likely")
    axes.set_title(
        f"{told}: the {extreme} {where} {percent(TAIL)} of naive draws\n"
        f"holds {percent(share.mean, share.error)} of the run"
    )


def draw_histograms(axes: Axes, samples: Sequence[tuple[Array, str]]) -> None:
    """Densities of values [n] by orders of magnitude, down to half of what a single one makes."""
    low, high = limits([sample[:, None] for sample, _ in samples], 0.0003)
    edges = np.linspace(low[0], high[0], 81)
    units = [1 / max(1, len(sample)) / (edges[1] - edges[0]) for sample, _ in samples]
    lowest, top = min(units) / 2, max(units)
    for (sample, name), unit in zip(samples, units):
        density = np.histogram(sample, edges)[0] * unit
        top = max(top, density.max())
        shown = np.maximum(density, lowest)
        axes.stairs(shown, edges, baseline=lowest, label=name, **HISTOGRAMS[name])
    axes.set(ylabel="density of draws", yscale="log")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(lowest, 2 * top))


HISTOGRAMS: Mapping[str, Mapping[str, Any]] = {
    "run": {"color": RUN, "alpha": 0.45, "fill": True},
    "naive": {"color": NAIVE, "linewidth": 1.0},
}
"""How draws of each kind look."""


# --- Which panels -------------------------------------------------------------------------------


def comparison_panels(material: Material, images: bool) -> list[list[Panel]]:
    """Rows of panels: what the run's dimension and its flow allow. Single pixels say little."""
    run = material.run
    first: list[Panel] = []
    if run.dim > 1 and not images:
        if material.naive is not None:
            first.append(Panel("Density of naive draws", draw_naive))
        first.append(Panel("Density of the run's draws", draw_run))
        if material.naive is not None:
            first.append(Panel("The run's density over that of naive draws", draw_ratio))
    second: list[Panel] = []
    if material.naive is not None and run.dim == 2:
        second.append(Panel("The same ratio in latent space", draw_latent))
    second.append(Panel("How much the flow stretches at the draws", draw_stretch))
    if material.own is not None:
        second.append(Panel("Log density of the draws under the flow", draw_log_density))
    return [row for row in (first, second) if row]
