# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a run: the verdict, where its draws are, how its chains mixed, how warm-up went."""

import sys
import textwrap
from pathlib import Path
from typing import Mapping, Sequence

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from flotilla_tools.arrays import Array
from flotilla_tools.errors import one_line
from flotilla_tools.plotting.flow_values import FlowValues
from flotilla_tools.plotting.panels import (
    HISTOGRAMS,
    Material,
    comparison_panels,
    finite,
    limits,
)
from flotilla_tools.plotting.plain_numbers import fixed, number
from flotilla_tools.plotting.run_file import Run, points_of
from flotilla_tools.plotting.style import BAD, CHAINS, GOOD, RUN, STYLE, PlotError, save
from flotilla_tools.plotting.verdict import Summary, Verdict, key_figures, verdict_of

LAST_GREY = 255.0
"""What is drawn white, where pixels go from 0 to it."""

HEADLINE_WIDTH = 150
"""Letters of a line across the figure."""

MOST_SENTENCES = 2
"""Of a verdict that a headline has room for."""

Shape = tuple[int, int, int]
"""Channels, rows and columns of images."""


# --- What is drawn ------------------------------------------------------------------------------


def find_flow(run: Run, given: Path | None, program: Path, ranks: int = 1) -> FlowValues | None:
    """The run's flow; None, with a message what to do, if its file is not found."""
    path = given or Path(run.text("flow_file").replace("\0", "?"))
    if path.is_file() and not h5py.is_hdf5(path):
        print(f"{one_line(path)} is no flow file; plotting without it", file=sys.stderr)
        return None
    if not path.is_file():
        advice = f"expected the run's flow at {path}, found none: say where it is with --flow"
        if given:
            raise PlotError(advice)
        print(f"{one_line(advice)}; plotting without it", file=sys.stderr)
        return None
    flow = FlowValues(path, str(run.facts.get("context", "")), program, ranks)
    expected, found = run.text("flow_checksum"), flow.facts.checksum
    if expected != found or flow.facts.dim != run.dim:
        raise PlotError(
            f"expected the flow that was sampled, {expected}, found {found} in {path}: say where "
            "the right one is with --flow"
        )
    return flow


def image_shape(run: Run, flow: FlowValues | None, given: Shape | None) -> Shape | None:
    """(channels, rows, columns) of the data; None if they are not images."""
    shape = given or (flow.facts.image if flow is not None else None)
    if shape is not None and np.prod(shape) != run.dim:
        raise PlotError(f"expected --image of {run.dim} coordinates, found {shape}")
    return shape


def material_of(run: Run, flow: FlowValues | None) -> Material:
    """The run beside naive draws, and its points under the flow."""
    if flow is None:
        return Material(run)
    seed = run.number("seed")
    naive = flow.naive(points_of(run.dim), int(seed) if 0 <= seed < 2**63 else 0)
    if run.z is None:
        own = flow.inverse(run.x.reshape(-1, run.dim))
    else:
        own = flow.forward(run.z.reshape(-1, run.dim))
    return Material(run, flow, naive, own, flow.facts.toy if run.dim == 2 else None)


# --- Images -------------------------------------------------------------------------------------


def draw_images(figure: Figure, place: SubplotSpec, run: Run, shape: Shape) -> None:
    """Three rows of images. The first two rows are of the same chains."""
    grid = place.subgridspec(3, 1)
    rows = [
        (run.start, f"where the first {len(run.last)} chains start"),
        (run.last, "the same chains' last draws"),
        (run.along, f"along the first chain, draws 0 to {run.draws - 1:,}"),
    ]
    white = LAST_GREY if (finite(run.last.reshape(-1)) > 1.5).any() else 1.0
    for i, (images, title) in enumerate(rows):
        axes = figure.add_subplot(grid[i, 0])
        axes.set_axis_off()
        if images is not None:
            axes.set_title(title)
            axes.imshow(strip(images / white, shape), cmap="gray", vmin=0, vmax=1)


def strip(images: Array, shape: Shape) -> Array:
    """Images [n x coordinate] side by side, [row x column] or [row x column x colour]."""
    channels, rows, columns = shape
    images = images.reshape(-1, channels, rows, columns).transpose(2, 0, 3, 1)
    gap = np.full((rows, len(images[0]), 2, channels), np.nan)
    joined = np.concatenate([images, gap], axis=2).reshape(rows, -1, channels)
    if channels != 3:
        return joined.mean(axis=2)
    return np.nan_to_num(np.clip(joined, 0, 1), nan=1.0)


# --- How the run went ---------------------------------------------------------------------------


def draw_trace(axes: Axes, run: Run, traces: Array, label: str) -> None:
    """A value of a few chains [chain x draw] over the run."""
    marker = "." if len(run.trace_draws) < 3 else None
    for chain, colour in zip(traces, CHAINS):
        shown = np.where(np.isfinite(chain) & (np.abs(chain) < 1e100), chain, np.nan)
        axes.plot(run.trace_draws, shown, color=colour, linewidth=0.7, marker=marker)
    axes.set(ylabel=label, xlim=(0, max(1, run.draws - 1)))
    axes.yaxis.set_major_locator(MaxNLocator(4))


def trace_title(run: Run) -> str:
    step = int(run.trace_draws[1] - run.trace_draws[0]) if len(run.trace_draws) > 1 else 1
    every = f", 1 draw in {step}" if step > 1 else ""
    return f"Traces of {len(run.traces)} of {run.chains:,} chains{every}"


def draw_coordinates(figure: Figure, place: SubplotSpec, material: Material) -> None:
    """Traces of a few chains, each with its marginal beside it on the same scale."""
    run, rows = material.run, material.run.traces.shape[2]
    grid = place.subgridspec(rows, 2, width_ratios=(3, 1))
    samples = [run.x.reshape(-1, run.dim)[:, :rows]]
    if material.naive is not None:
        samples.append(material.naive.x[:, :rows])
    for i in range(rows):
        columns = [finite(sample[:, i]) for sample in samples]
        low, high = (float(bound[0]) for bound in limits([c[:, None] for c in columns]))
        trace = figure.add_subplot(grid[i, 0])
        draw_trace(trace, run, run.traces[..., i], f"$x_{i}$")
        trace.set_ylim(low, high)
        marginal = figure.add_subplot(grid[i, 1], sharey=trace)
        draw_marginal(marginal, columns, (low, high))
        if i == 0:
            trace.set_title(trace_title(run))
            marginal.set_title(f"{len(columns[0]):,} draws")
            if len(columns) > 1:
                marginal.set_xlim(right=1.4 * marginal.get_xlim()[1])  # room for the legend
                marginal.legend(loc="upper right", handlelength=1.2, borderpad=0.1)
        last = i == rows - 1
        trace.set_xlabel("draw" if last else "")
        marginal.set_xlabel("density" if last else "")
        trace.tick_params(labelbottom=last)


def draw_marginal(axes: Axes, samples: Sequence[Array], bounds: tuple[float, float]) -> None:
    """Densities along the vertical axis: that of the run filled, that of naive draws as a line."""
    bins = np.linspace(*bounds, 61)
    for sample, name in zip(samples, ("run", "naive")):
        density = np.histogram(sample, bins)[0] / max(1, len(sample)) / (bins[1] - bins[0])
        axes.stairs(density, bins, orientation="horizontal", label=name, **HISTOGRAMS[name])
    axes.tick_params(labelleft=False)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlim(left=0)


def draw_energies(figure: Figure, place: SubplotSpec, material: Material) -> None:
    """Traces of lp and l(z). They show whether the chains have met."""
    grid = place.subgridspec(2, 1)
    names = (("lp", "lp (nats)"), ("log_det_jacobian", "$\\ell(z)$ (nats)"))
    for i, (name, label) in enumerate(names):
        axes = figure.add_subplot(grid[i, 0])
        draw_trace(axes, material.run, material.run.energies[name], label)
        if i == 0:
            axes.set_title(trace_title(material.run))
    axes.set_xlabel("draw")


def draw_acceptance(axes: Axes, run: Run) -> None:
    """Acceptance rates, window by window of warm-up. Dashed: that of the sampling phase."""
    kinds = (("acceptance_rate", "local", RUN), ("global_acceptance_rate", "global", CHAINS[1]))
    for name, kind, colour in kinds:
        draw_windows(axes, run.windows, name, f"{kind} moves", colour)
    mark(axes, run.acceptance_rate, f"sampling, local: {fixed(run.acceptance_rate, 3)}")
    axes.set(ylabel="acceptance rate", ylim=(0, 1))
    finish_warmup(axes, run, "Acceptance rate")


def draw_step_size(axes: Axes, run: Run) -> None:
    """The step size, window by window of warm-up. Dashed: that of the sampling phase."""
    draw_windows(axes, run.windows, "step_size", "warm-up", RUN)
    mark(axes, run.step_size, f"sampling: {number(run.step_size, 3)}")
    shown = np.concatenate([line.get_ydata() for line in axes.lines] or [[np.nan]])
    positive = shown[np.isfinite(shown) & (shown > 0)]
    if len(positive) and positive.max() > 5 * positive.min():  # else a log axis has no plain ticks
        axes.set_yscale("log")
    axes.set_ylabel("step size")
    finish_warmup(axes, run, "Step size")


def draw_windows(
    axes: Axes, windows: Mapping[str, Array], name: str, label: str, colour: str
) -> None:
    """A figure of the windows of warm-up; nothing where it is never defined."""
    values = np.asarray(windows.get(name, ()), dtype=float)
    if len(finite(values)):
        shown = np.where(np.isfinite(values) & (np.abs(values) < 1e100), values, np.nan)
        axes.plot(np.arange(1, len(values) + 1), shown, color=colour, linewidth=1.1, label=label)


def mark(axes: Axes, value: float, label: str) -> None:
    if len(finite(np.array([value]))):
        axes.axhline(value, color="black", linewidth=0.8, linestyle=(0, (4, 3)), label=label)


def finish_warmup(axes: Axes, run: Run, what: str) -> None:
    windows = max([len(values) for values in run.windows.values()] or [0])
    axes.set_title(f"{what} over warm-up" if windows else f"{what}, without a warm-up")
    axes.set_xlim(1, max(2, windows))
    axes.set_xlabel("window of warm-up")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.legend(loc="best", handlelength=1.6, borderpad=0.1)


# --- The figure ---------------------------------------------------------------------------------


def title_of(run: Run) -> str:
    """What was sampled, and how."""
    unfinished = f" of {run.draws_wanted:,}" if run.draws < run.draws_wanted else ""
    beta = number(run.number("beta"))
    flow = Path(run.text("flow_file")).name
    return one_line(
        f"{flow}:  {run.text('target')} target, β = {beta},  {run.text('kernel')},  "
        f"{run.chains:,} {'chain' if run.chains == 1 else 'chains'}, "
        f"{run.draws:,}{unfinished} {'draw' if run.draws == 1 else 'draws'} each"
    )


def findings(judged: Verdict) -> str:
    """The verdict, as far as a headline has room for its sentences."""
    more = len(judged.sentences) - MOST_SENTENCES
    # The finding is before a colon, its reason after it.
    found = [sentence.split(": ")[0] for sentence in judged.sentences[:MOST_SENTENCES]]
    told = "; ".join(found + ([f"and {more} more"] if more > 0 else []))
    return one_line(f"{judged.headline}: {told}")


def draw_head(axes: Axes, run: Run, summary: Summary | None) -> None:
    """What was sampled, the verdict, and the figures behind it."""
    axes.set_axis_off()
    lines = [(title_of(run), "black", "normal")]
    if summary is not None:
        judged = verdict_of(summary)
        colour = GOOD if judged.converged else BAD
        verdict = textwrap.fill(findings(judged), HEADLINE_WIDTH, max_lines=2)
        lines += [(line, colour, "bold") for line in verdict.splitlines()]
        told = (f"{one.title} {one.value}" for one in key_figures(summary))
        lines.append((";  ".join(told), "black", "normal"))
    for i, (line, colour, weight) in enumerate(lines):
        axes.text(
            0,
            1 - i / len(lines),
            line,
            transform=axes.transAxes,
            color=colour,
            weight=weight,
            va="top",
            fontsize=10.5 if i < len(lines) - 1 or i == 0 else 9.5,
            parse_math=False,
        )


def draw_history(figure: Figure, place: SubplotSpec, material: Material, images: bool) -> None:
    """Traces, with warm-up beside them."""
    left, right = place.subgridspec(1, 2, width_ratios=(2, 1))
    (draw_energies if images else draw_coordinates)(figure, left, material)
    warmup = right.subgridspec(2, 1)
    draw_acceptance(figure.add_subplot(warmup[0]), material.run)
    draw_step_size(figure.add_subplot(warmup[1]), material.run)


def plot(material: Material, shape: Shape | None, output: Path, summary: Summary | None) -> None:
    """One figure: the verdict, images or densities, the shares in the tails, traces and warm-up."""
    plt.rcParams.update(STYLE)
    panels = comparison_panels(material, images=shape is not None)
    heights = [0.75, *([3.3] if shape else []), *[3.5] * len(panels), 3.2]
    figure = plt.figure(figsize=(12.5, sum(heights)), layout="constrained")
    rows = iter(figure.add_gridspec(len(heights), 1, height_ratios=heights))
    draw_head(figure.add_subplot(next(rows)), material.run, summary)
    if shape:
        draw_images(figure, next(rows), material.run, shape)
    for panel_row in panels:
        places = next(rows).subgridspec(1, len(panel_row))
        for panel, place in zip(panel_row, places):
            panel.draw(figure.add_subplot(place), material)
    draw_history(figure, next(rows), material, images=shape is not None)
    save(figure, output, photographs=shape is not None and shape[0] == 3)
    plt.close(figure)


def pictures(material: Material, shape: Shape | None) -> list[tuple[str, Figure]]:
    """The same as single pictures with captions, narrow enough for a telephone."""
    plt.rcParams.update(STYLE)
    images = shape is not None
    found: list[tuple[str, Figure]] = []

    def add(caption: str, height: float = 3.9) -> Figure:
        found.append((caption, plt.figure(figsize=(4.6, height), layout="constrained")))
        return found[-1][1]

    def add_spanning(caption: str, height: float = 3.9) -> tuple[Figure, SubplotSpec]:
        figure = add(caption, height)
        return figure, figure.add_gridspec(1, 1)[0]

    if shape:
        draw_images(*add_spanning("Images of the run", 2.0), material.run, shape)
    for panel in (panel for row in comparison_panels(material, images) for panel in row):
        panel.draw(add(panel.caption).add_subplot(), material)
    traces = add_spanning("A few chains, from the first draw to the last")
    (draw_energies if images else draw_coordinates)(*traces, material)
    draw_acceptance(add("Acceptance rates of warm-up").add_subplot(), material.run)
    draw_step_size(add("Step size of warm-up").add_subplot(), material.run)
    return found
