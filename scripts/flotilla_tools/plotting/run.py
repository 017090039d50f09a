# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a run: where its chains went, how they mixed, how warm-up went."""

import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import checksum, read_flow_file
from flotilla_tools.hdf5_files import attributes_of, opened
from flotilla_tools.plotting.flow_values import Evaluation, FlowValues
from flotilla_tools.plotting.style import CHAINS, NAIVE, RUN, STYLE, PlotError
from flotilla_tools.plotting.verdict import Verdict

MOST_POINTS = 20000
"""Points in a scatter plot, and draws behind a histogram."""

LATENT_POINTS = 4000
"""The same over l(z), which should show through."""

GRID = 300
"""Points along each side of the grid that densities are evaluated on."""

LOWEST_DENSITY = -10.0
"""Log density, relative to the highest on the grid, that is drawn white (nats)."""

TRACED_CHAINS = 4
LONGEST_TRACE = 1000
IMAGES = 16
"""In a row."""

LAST_GREY = 255.0
"""What is drawn white, where pixels go from 0 to it."""

HEADLINE_WIDTH = 150
"""Letters of a line across the figure."""

MOST_SENTENCES = 2
"""Of a verdict that a headline has room for."""

COORDINATES = 3
"""Most coordinates that are drawn, from the first on, in more than two dimensions."""

SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#8c8c8c"])
"""For what lies behind points: pale, so that single points stand out wherever they are."""


# --- What is plotted ----------------------------------------------------------------------------


class Run(NamedTuple):
    """The parts of a run file that are plotted."""

    facts: Mapping[str, Any]  # the root attributes
    chains: int
    draws: int  # committed
    draws_wanted: int
    dim: int
    x: Array  # [n x coordinates], n draws spread evenly over the run
    z: Array | None  # the same in latent space, or None
    traces: Array  # [chain x draw x coordinates]
    trace_draws: Array  # their indices
    windows: dict[str, Array]  # name -> [window]
    energies: dict[str, Array]  # name -> traces [chain x draw]
    start: Array | None  # of the first chains [chain x dim], or None; likewise the next two
    last: Array
    along: Array  # [draw x dim] of the first chain
    acceptance_rate: float  # of local moves in the sampling phase; likewise the next
    step_size: float


def read_run(path: Path) -> Run:
    if not path.is_file():
        raise PlotError(f"expected a run file at {path}, found none: write it with flotilla sample")
    with opened(path, "a run file of flotilla sample") as file:
        return run_of(file, path)


def run_of(file: h5py.File, path: Path) -> Run:
    draws = int(file["draws_committed"][()])
    if draws < 1:
        raise PlotError(f"expected at least one committed draw in {path}, found none: run on")
    x = file["posterior/x"]
    chains, draws_wanted, dim = x.shape
    few = 2 if dim == 2 else min(dim, COORDINATES)
    sparse = max(1, -(-draws // LONGEST_TRACE))
    latent = file.get("unconstrained_posterior/z") if dim == 2 else None
    acceptance, step_size = sampling_facts(file, draws)
    return Run(
        facts=attributes_of(file),
        chains=chains,
        draws=draws,
        draws_wanted=draws_wanted,
        dim=dim,
        x=spread_points(x, draws, few),
        z=None if latent is None else spread_points(latent, draws, few),
        traces=x[:TRACED_CHAINS, :draws:sparse, :few],
        trace_draws=np.arange(0, draws, sparse),
        energies={
            name: file["sample_stats"][name][:TRACED_CHAINS, :draws:sparse]
            for name in ("lp", "log_det_jacobian")
        },
        start=file["start/x"][:IMAGES] if "start" in file else None,
        last=x[:IMAGES, draws - 1],
        along=x[0, np.unique(np.linspace(0, draws - 1, IMAGES).astype(int))],
        windows={name: values[()] for name, values in file.get("adaptation", {}).items()},
        acceptance_rate=acceptance,
        step_size=step_size,
    )


def spread_points(points: Any, draws: int, coordinates: int) -> Array:
    """At most MOST_POINTS of [chain x draw x dim] points, spread evenly, [n x coordinates]."""
    chains = len(points)
    chain_step = max(1, -(-chains // MOST_POINTS))
    draw_step = max(1, -(-draws * (chains // chain_step) // MOST_POINTS))
    # Of a coarse selection take the last draws: they are the farthest from warm-up.
    first = (draws - 1) % draw_step
    return points[::chain_step, first:draws:draw_step, :coordinates].reshape(-1, coordinates)


def sampling_facts(file: h5py.File, draws: int) -> tuple[float, float]:
    """(acceptance rate of local moves, step size) of the sampling phase, from recorded draws."""
    stats = file["sample_stats"]
    step = max(1, draws // 100)
    acceptance = stats["acceptance_rate"][:, :draws:step]
    local = stats["is_global"][:, :draws:step] == 0
    rate = float(acceptance[local].mean()) if local.any() else float("nan")
    return rate, float(stats["step_size"][0, 0])


def find_flow(run: Run, given: Path | None, program: Path, ranks: int = 1) -> FlowValues | None:
    """The run's flow; None, with a message what to do, if its file is not found."""
    recorded = Path(str(run.facts.get("flow_file", "")))
    path = given or recorded
    if path.is_file() and not h5py.is_hdf5(path):
        print(f"{path} is no flow file; plotting without it", file=sys.stderr)
        return None
    if not path.is_file():
        advice = f"expected the run's flow at {path}, found none: say where it is with --flow"
        if given:
            raise PlotError(advice)
        print(f"{advice}; plotting without it", file=sys.stderr)
        return None
    expected, found = run.facts.get("flow_checksum"), checksum(read_flow_file(path))
    if expected != found:
        raise PlotError(
            f"expected the flow that was sampled, {expected}, found {found} in {path}: say where "
            "the right one is with --flow"
        )
    return FlowValues(path, str(run.facts.get("context", "")), program, ranks)


def image_shape(
    run: Run, flow: FlowValues | None, given: tuple[int, int, int] | None
) -> tuple[int, int, int] | None:
    """(channels, rows, columns) of the data; None if they are not images."""
    shape = given or (flow.image if flow is not None else None)
    if shape is not None and np.prod(shape) != run.dim:
        raise PlotError(f"expected --image of {run.dim} coordinates, found {shape}")
    return shape


# --- Panels -------------------------------------------------------------------------------------


def limits(*samples: Array) -> tuple[Array, Array]:
    """(low, high) [coordinates] of a frame around nearly all of each sample [n x coordinates]."""
    low = np.min([np.nanquantile(sample, 0.005, axis=0) for sample in samples], axis=0)
    high = np.max([np.nanquantile(sample, 0.995, axis=0) for sample in samples], axis=0)
    margin = 0.12 * (high - low) + 1e-6
    return low - margin, high + margin


def square(low: Any, high: Any) -> tuple[Array, Array]:
    """The same for square panels, around the same centre."""
    centre, half = (low + high) / 2, np.max(high - low) / 2
    return centre - half, centre + half


def on_grid(function: Callable[[Array], Array], low: Any, high: Any) -> tuple[Array, Array, Array]:
    """(u, v, values) of a function of [n x 2] points on a grid over the frame."""
    u, v = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
    points = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(np.float32)
    return u, v, function(points).reshape(GRID, GRID)


def scatter(axes: Axes, points: Any, colour: str, opacity: float) -> None:
    axes.plot(
        *points.T,
        linestyle="none",
        marker=".",
        markersize=2.2,
        markeredgewidth=0,
        color=colour,
        alpha=opacity,
        rasterized=True,
    )


def frame(axes: Axes, low: Any, high: Any, name: str) -> None:
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set(xlabel=f"${name}_0$", ylabel=f"${name}_1$")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def draw_plane(
    figure: Figure, row: GridSpecFromSubplotSpec, flow: FlowValues, run: Run, naive: Evaluation
) -> None:
    """The first row in two dimensions."""
    low, high = square(*limits(naive.x, run.x))
    u, v, log_density = on_grid(lambda x: flow.inverse(x).log_density, low, high)
    relative = np.clip(log_density - np.nanmax(log_density), LOWEST_DENSITY, 0)
    titles = (
        f"{len(naive.x):,} naive draws, $x = f(z)$, $z \\sim q_Z$",
        f"{len(run.x):,} of {run.chains * run.draws:,} draws of the run",
    )
    for i, (points, colour, title) in enumerate(zip((naive.x, run.x), (NAIVE, RUN), titles)):
        axes = figure.add_subplot(row[i])
        levels = np.arange(LOWEST_DENSITY, 0.5, 1.0)
        shades = axes.contourf(u, v, relative, levels, cmap=SHADES)
        scatter(axes, points, colour, 0.6)
        frame(axes, low, high, "x")
        axes.set_title(title)
    bar = figure.colorbar(shades, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("$\\log q_X(x)$ below its maximum (nats)")
    finish_bar(bar, levels[::2])
    draw_latent(figure, figure.add_subplot(row[2]), flow, run, naive.z)


def draw_latent(figure: Figure, axes: Axes, flow: FlowValues, run: Run, naive_z: Array) -> None:
    """Latent points over l(z), the map's log volume change."""
    # A run without latent points: the flow computes them.
    points = flow.inverse(run.x).z if run.z is None else run.z
    low, high = np.full(2, -4.2), np.full(2, 4.2)
    u, v, log_det = on_grid(lambda z: flow.forward(z).log_det_jacobian, low, high)
    shown = np.hypot(*np.meshgrid(u, v)) < 4.2  # hardly any draw is beyond
    spread = np.nanquantile(log_det[shown], [0.005, 0.995])
    levels = MaxNLocator(10, steps=[1, 2, 5, 10]).tick_values(*spread)
    shades = axes.contourf(u, v, log_det, levels, cmap=SHADES, extend="both")
    thin = max(1, len(points) // LATENT_POINTS)
    scatter(axes, naive_z[::thin], NAIVE, 0.5)
    scatter(axes, points[::thin], RUN, 0.7)
    frame(axes, low, high, "z")
    axes.set_title(f"{len(points[::thin]):,} latent points of each")
    handles = [
        Line2D([], [], linestyle="none", marker="o", markersize=4, color=colour, label=label)
        for colour, label in ((NAIVE, "naive"), (RUN, "run"))
    ]
    axes.legend(handles=handles, loc="upper right", handletextpad=0.1, borderpad=0.1)
    bar = figure.colorbar(shades, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("$\\ell(z) = \\log\\,|\\det J(z)|$ (nats)")
    finish_bar(bar, levels[::2])


def finish_bar(bar: Colorbar, ticks: Array) -> None:
    bar.set_ticks(ticks)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(width=0.6, length=2.5)


def draw_images(
    figure: Figure, grid: GridSpecFromSubplotSpec, run: Run, shape: tuple[int, int, int]
) -> None:
    """Three rows of images. The first two rows are of the same chains."""
    rows = [
        (run.start, f"where the first {len(run.last)} chains start"),
        (run.last, "the same chains' last draws"),
        (run.along, f"along the first chain, draws 0 to {run.draws - 1}"),
    ]
    for i, (images, title) in enumerate(rows):
        axes = figure.add_subplot(grid[i, 0])
        axes.set_axis_off()
        if images is not None:
            axes.set_title(title)
            white = LAST_GREY if np.nanmax(run.last) > 1.5 else 1.0
            axes.imshow(strip(images / white, shape), cmap="gray", vmin=0, vmax=1)


def strip(images: Array, shape: tuple[int, int, int]) -> Array:
    """Images [n x coordinate] side by side, [row x column] or [row x column x colour]."""
    channels, rows, columns = shape
    images = images.reshape(-1, channels, rows, columns).transpose(2, 0, 3, 1)
    gap = np.full((rows, len(images[0]), 2, channels), np.nan)
    joined = np.concatenate([images, gap], axis=2).reshape(rows, -1, channels)
    if channels != 3:
        return joined.mean(axis=2)
    return np.nan_to_num(np.clip(joined, 0, 1), nan=1.0)


def draw_energies(figure: Figure, grid: GridSpecFromSubplotSpec, run: Run) -> None:
    """Traces of lp and l(z). They show whether the chains have met."""
    for i, (name, label) in enumerate((("lp", "lp (nats)"), ("log_det_jacobian", "l(z) (nats)"))):
        axes = figure.add_subplot(grid[0, i])
        for chain, colour in zip(run.energies[name], CHAINS):
            axes.plot(run.trace_draws, chain, color=colour, linewidth=0.6, alpha=0.85)
        axes.set(
            title=f"{label}, {len(run.energies[name])} of {run.chains:,} chains", xlabel="draw"
        )
        axes.set_xlim(0, max(1, run.draws - 1))


def draw_coordinates(
    figure: Figure, grid: GridSpecFromSubplotSpec, run: Run, naive: Evaluation | None
) -> None:
    """Traces of a few chains, each with its marginal beside it on the same scale."""
    samples = [run.x]
    if naive is not None:
        samples.append(naive.x[:, : run.x.shape[1]])
    low, high = limits(*samples)
    for i in range(grid.nrows):
        trace = figure.add_subplot(grid[i, 0])
        for chain, colour in zip(run.traces, CHAINS):
            trace.plot(run.trace_draws, chain[:, i], color=colour, linewidth=0.6, alpha=0.85)
        trace.set(ylim=(low[i], high[i]), xlim=(0, max(1, run.draws - 1)), ylabel=f"$x_{i}$")
        trace.yaxis.set_major_locator(MaxNLocator(4))
        marginal = figure.add_subplot(grid[i, 1], sharey=trace)
        draw_marginal(marginal, [sample[:, i] for sample in samples], (low[i], high[i]))
        if i == 0:
            trace.set_title(f"traces of {len(run.traces)} of {run.chains:,} chains")
            marginal.set_title(f"marginals of {len(run.x):,} draws")
            marginal.legend(loc="best", handlelength=1.2, borderpad=0.1)
        last = i == grid.nrows - 1
        trace.set_xlabel("draw" if last else "")
        marginal.set_xlabel("density" if last else "")
        trace.tick_params(labelbottom=last)


def draw_marginal(axes: Axes, samples: Sequence[Array], bounds: tuple[float, float]) -> None:
    """Densities along the vertical axis: that of the run filled, that of naive draws as a line."""
    bins = np.linspace(*bounds, 61)
    kinds = (
        {"histtype": "stepfilled", "color": RUN, "alpha": 0.45, "label": "run"},
        {"histtype": "step", "color": NAIVE, "linewidth": 1.0, "label": "naive"},
    )
    for sample, kind in zip(samples, kinds):
        axes.hist(sample, bins, density=True, orientation="horizontal", **kind)
    axes.tick_params(labelleft=False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlim(left=0)


def draw_warmup(figure: Figure, row: GridSpecFromSubplotSpec, run: Run) -> None:
    """Acceptance rate and step size, window by window. Dashed: those of the sampling phase."""
    windows = run.windows
    number = np.arange(1, len(windows.get("step_size", ())) + 1)
    left, right = figure.add_subplot(row[0]), figure.add_subplot(row[1])
    kinds = (("acceptance_rate", "local", RUN), ("global_acceptance_rate", "global", CHAINS[1]))
    for name, kind, colour in kinds:
        if np.isfinite(windows.get(name, [np.nan])).any():
            left.plot(number, windows[name], color=colour, linewidth=1.1, label=f"{kind} moves")
    if np.isfinite(run.acceptance_rate):
        mark(left, run.acceptance_rate, f"sampling, local: {run.acceptance_rate:.3f}")
    left.set(title="acceptance rate over warm-up", xlabel="window", ylabel="acceptance rate")
    left.set_ylim(0, 1)
    right.plot(number, windows.get("step_size", ()), color=RUN, linewidth=1.1)
    mark(right, run.step_size, f"sampling: {run.step_size:.3g}")
    right.set(title="step size over warm-up", xlabel="window", ylabel="step size", yscale="log")
    for axes in (left, right):
        axes.set_xlim(1, max(2, len(number)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="best", handlelength=1.6, borderpad=0.1)


def mark(axes: Axes, value: float, label: str) -> None:
    axes.axhline(value, color="black", linewidth=0.8, linestyle=(0, (4, 3)), label=label)


# --- The figure ---------------------------------------------------------------------------------


def headline(run: Run, judged: Verdict | None) -> str:
    """What was sampled and how, with the verdict below."""
    facts = run.facts
    target = f"{facts.get('target', 'unknown')} target, $\\beta$ = {facts.get('beta', np.nan):g}"
    unfinished = f" of {run.draws_wanted:,}" if run.draws < run.draws_wanted else ""
    flow = Path(str(facts.get("flow_file", "unknown flow"))).name
    kernel = facts.get("kernel", "unknown kernel")
    size = f"{run.chains:,} chains, {run.draws:,}{unfinished} draws each"
    first = f"{flow}:  {target},  {kernel},  {size}"
    if judged is None:
        return first
    more = len(judged.sentences) - MOST_SENTENCES
    # The finding is before the colon, the advice after it.
    found = [sentence.split(": ")[0] for sentence in judged.sentences[:MOST_SENTENCES]]
    told = "; ".join(found + ([f"and {more} more"] if more > 0 else []))
    return f"{first}\n{textwrap.fill(f'{judged.headline}: {told}', HEADLINE_WIDTH)}"


def plot(
    run: Run,
    flow: FlowValues | None,
    shape: tuple[int, int, int] | None,
    output: Path,
    judged: Verdict | None,
) -> None:
    """One figure. In two dimensions the plane comes first, then a row per coordinate, then warm-up.
    For images: the images, lp and l, then warm-up."""
    plt.rcParams.update(STYLE)
    naive = None
    if flow is not None and not shape:
        naive = flow.naive(len(run.x), int(run.facts.get("seed", 0)))
    plane = run.dim == 2 and naive is not None
    rows = run.x.shape[1]
    heights = ([4.0] if plane else []) + [0.4 + 1.3 * rows, 1.9]
    if shape:
        heights = [3.3, 2.0, 1.9]
    figure = plt.figure(figsize=(12.5, sum(heights) + 0.4), layout="constrained")
    figure.suptitle(headline(run, judged), x=0.005, ha="left", fontsize=11)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    if plane and flow is not None and naive is not None:
        draw_plane(figure, grid[0].subgridspec(1, 3), flow, run, naive)
    if shape:
        draw_images(figure, grid[0].subgridspec(3, 1), run, shape)
        draw_energies(figure, grid[1].subgridspec(1, 2), run)
    else:
        draw_coordinates(figure, grid[-2].subgridspec(rows, 2, width_ratios=(3, 1)), run, naive)
    draw_warmup(figure, grid[-1].subgridspec(1, 2), run)
    figure.savefig(output, format="png")
    plt.close(figure)
