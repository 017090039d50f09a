# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a study: the kind that fits what the study varied.

Axes that can be compared share their scale. Each picture names what it is of.
"""

from itertools import product
from pathlib import Path
from typing import Any, Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from flotilla_tools.arrays import Array
from flotilla_tools.plotting.study_tables import Columns, StudyTables, show
from flotilla_tools.plotting.style import COLOURS, MARKERS, STYLE, PlotError

CONVERGED = 1.01
"""R-hat of chains that agree, as 'flotilla summary' has it."""

AGREES = 4
"""Standard errors within which a moment agrees with the truth, as 'flotilla compare' has it."""

QUALITY = (
    ("energy_distance", "energy distance"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("coverage", "coverage"),
    ("mode_distance", "share in the wrong mode"),
)
"""Of the measures of 'flotilla compare', those that a picture has room for."""

SHARES = ("precision", "recall", "coverage")
"""Those that go from 0 to 1."""


def kinds_of(study: StudyTables) -> list[str]:
    """The pictures that a study's columns ask for, the most telling one last."""
    if study.varies("density"):
        return ["densities"]
    if study.varies("global_fraction"):
        return ["kernels"]
    if study.varies("step_size") or study.varies("target_accept"):
        return ["step-size"]
    if study.varies("warmup") and study.varies("chains"):
        return ["exchange"]
    if study.varies("chains"):
        return ["chains"]
    if study.varies("beta"):
        return ["beta", "quality"] if "precision" in study.means else ["beta"]
    raise PlotError(
        "expected a study that varies density, global_fraction, step_size, target_accept, warmup "
        "with chains, chains or beta, found none of them: use the CSV files beside it"
    )


# --- What pictures share ------------------------------------------------------------------------


def grid_of(rows: int, columns: int, width: float, height: float, **shared: Any) -> Any:
    """A figure, and its [row x column] panels of this size in inches."""
    return plt.subplots(
        rows,
        columns,
        figsize=(width * columns + 0.7, height * rows + 0.6),
        layout="constrained",
        squeeze=False,
        **shared,
    )


def look(number: int) -> dict[str, Any]:
    """How the curve of this number looks."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.1,
    }


def lines_of(
    axes: Axes, table: Columns, rows: Array, x: str, y: str, label: str, number: int
) -> None:
    """Means with their errors, in the order of x; nothing where no run succeeded."""
    order = np.flatnonzero(rows)[np.argsort(table[x][rows])]
    order = order[np.isfinite(table[y][order])]
    if not len(order):
        return
    errors = np.nan_to_num(table[y + "_error"][order]) if y + "_error" in table else np.zeros(1)
    axes.errorbar(
        table[x][order],
        above_one(table[y][order]) if y == "rhat" else table[y][order],
        yerr=errors if errors.any() else None,  # one seed has none
        elinewidth=0.8,
        label=label,
        **look(number),
    )


def above_one(rhat: Array) -> Array:
    """What R-hat exceeds 1 by, as a logarithmic axis can show it."""
    return np.maximum(rhat - 1, 1e-5)


def show_rhat(*panels: Axes) -> None:
    """Makes a vertical axis, shared by all, one of R-hat: with the line at 1.01 that chains should
    be below."""
    for axes in panels:
        axes.axhline(CONVERGED - 1, color="0.5", linestyle="--", linewidth=0.8)
        axes.set(yscale="log")
    plain_ticks(panels[0].yaxis, plus=1.0)


def plain_ticks(axis: Axis, plus: float = 0.0) -> None:
    """Plain numbers on a logarithmic axis, as many as it has room for."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low) if 0 < low < high else 1.0
    if decades < 0.7:
        axis.set_major_locator(MaxNLocator(4))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.7 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value + plus:g}"))
    axis.set_minor_formatter(NullFormatter())


def ticks_at(axis: Axis, values: Array) -> None:
    """A logarithmic axis with a tick at each value of a study, and at no other."""
    axis.set_major_locator(FixedLocator(list(np.unique(values))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def name_lines(axes: Axes, beside: bool = False) -> None:
    """A legend, if there are lines with names: within the panel, or to its right."""
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {}
    if any(axes.get_legend_handles_labels()[1]):
        axes.legend(**place)


def name_picture(figure: Figure, study: StudyTables, *shown: str) -> None:
    """Above all panels: what the picture is of, but for what the panels name themselves."""
    figure.suptitle(study.subject(*shown), fontsize="medium", color="0.35")


def name_flows(panels: Sequence[Axes], titles: Sequence[str]) -> list[str]:
    """Names the flow of each panel, where there are several; which columns are then named."""
    for panel, title in zip(panels, titles):
        panel.set_title(title)
    return ["flow"] if any(titles) else []


def expect_columns(study: StudyTables, kind: str, *alternatives: str) -> None:
    if not any(name in study.means for name in alternatives):
        raise PlotError(
            f"expected a study that varies {' or '.join(alternatives)} for --kind {kind}, "
            "found none"
        )


# --- Pictures -----------------------------------------------------------------------------------


def draw_kernels(study: StudyTables) -> Figure:
    """A panel per flow and target. Hollow points did not converge; crosses have the share that
    warm-up found."""
    expect_columns(study, "kernels", "global_fraction")
    columns, rows = list(study.groups("flow")), list(study.groups("target"))
    shape = (len(rows), len(columns)) if len(columns) > 1 else (1, len(rows))
    figure, axes = grid_of(*shape, 2.5 if len(columns) > 1 else 3.6, 2.4, sharex=True, sharey=True)
    axes = axes.reshape(len(rows), len(columns))
    found = np.array([str(share) == "auto" for share in study.means["global_fraction"]])
    for (down, (_, own)), (across, (_, chosen)) in product(enumerate(rows), enumerate(columns)):
        for number, (label, like) in enumerate(study.groups("kernel")):
            cells = own & chosen & like
            draw_shares(axes[down, across], study, cells & ~found, label, number)
            draw_found(axes[down, across], study, cells & found, number)
    axes[0, 0].set(yscale="log", xlim=(-0.07, 1.07), xticks=(0, 0.25, 0.5, 0.75, 1))
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for (target, _), panel in zip(rows, axes[:, 0]):
        panel.set_ylabel(f"{target}: ESS per gradient" if target else "ESS per gradient")
    for panel in figure.axes[-shape[1] :]:
        panel.set_xlabel("share of global moves")
    named = name_flows(axes[0], [title for title, _ in columns])
    plain_ticks(axes[0, 0].yaxis)
    explain_points(axes[0, -1], bool(found.any()))
    name_lines(axes[-1, 0])
    name_picture(figure, study, "kernel", *named, *(["target"] if len(rows) > 1 else []))
    return figure


def converged(study: StudyTables, row: int) -> bool:
    return bool(study.means["rhat"][row] <= CONVERGED)


def draw_shares(axes: Axes, study: StudyTables, rows: Array, label: str, number: int) -> None:
    """Effective draws against shares that were set; points are filled where R-hat is small."""
    lines_of(axes, study.means, rows, "final_global_fraction", "ess_per_gradient", label, number)
    for row in np.flatnonzero(rows):
        if not converged(study, row):
            place = study.means["final_global_fraction"][row], study.means["ess_per_gradient"][row]
            axes.plot(
                *place, **{**look(number), "linestyle": "", "markerfacecolor": "white", "zorder": 3}
            )


def draw_found(axes: Axes, study: StudyTables, rows: Array, number: int) -> None:
    """A cross at the share that warm-up found."""
    axes.plot(
        study.means["final_global_fraction"][rows],
        study.means["ess_per_gradient"][rows],
        **{**look(number), "linestyle": "", "marker": "x", "markersize": 8, "zorder": 3},
    )


def explain_points(axes: Axes, found: bool) -> None:
    """A legend of points, whatever their colour."""
    grey = {"color": "0.3", "linestyle": ""}
    hollow = axes.plot([], [], marker="o", markerfacecolor="white", markersize=4, **grey)
    points, texts = [*hollow], [f"R-hat above {CONVERGED}"]
    if found:
        points += axes.plot([], [], marker="x", markersize=8, **grey)
        texts.append("share found by warm-up")
    axes.legend(points, texts)


def draw_densities(study: StudyTables) -> Figure:
    """A panel per density, with its flows side by side; below, how far the moments are from the
    truth, where it is known. Hollow points did not converge."""
    expect_columns(study, "densities", "density")
    panels = list(study.groups("density"))
    known = "truth_farthest" in study.means
    figure, axes = grid_of(1 + known, len(panels), 2.0, 2.1, sharex="col", sharey="row")
    for column, (density, chosen) in zip(axes.T, panels):
        for number, (kernel, like) in enumerate(study.groups("kernel")):
            rows = np.flatnonzero(chosen & like)
            for panel, name in zip(column, ("ess_per_gradient", "truth_farthest")):
                draw_flows(panel, study, rows, name, kernel, number)
        flows = [show("flow", flow) for flow in study.means["flow"][rows]]
        column[-1].set_xticks(range(len(flows)), flows)
        column[-1].set_xlim(-0.3, len(flows) - 0.7)
        column[0].set_title(density)
    axes[0, 0].set(ylabel="ESS per gradient", yscale="log")
    plain_ticks(axes[0, 0].yaxis)
    if known:
        axes[1, 0].set(ylabel="farthest moment\n(standard errors)", yscale="log")
        plain_ticks(axes[1, 0].yaxis)
        for panel in axes[1]:
            panel.axhline(AGREES, color="0.5", linestyle="--", linewidth=0.8)
    explain_points(axes[0, -1], False)
    name_lines(axes[-1, 0])
    name_picture(figure, study, "flow", "kernel")
    return figure


def draw_flows(
    axes: Axes, study: StudyTables, rows: Array, name: str, label: str, number: int
) -> None:
    """A figure of some rows, side by side; points are filled where R-hat is small."""
    axes.plot(range(len(rows)), study.means[name][rows], label=label, **look(number))
    for place, row in enumerate(rows):
        if not converged(study, row):
            hollow = {**look(number), "linestyle": "", "markerfacecolor": "white", "zorder": 3}
            axes.plot(place, study.means[name][row], **hollow)


def draw_step_size(study: StudyTables) -> Figure:
    expect_columns(study, "step-size", "step_size", "target_accept")
    panels = list(study.groups("flow"))
    shape = (2, len(panels)) if len(panels) > 1 else (1, 2)  # a single flow: side by side
    figure, axes = grid_of(*shape, 4.2, 2.8, sharey="row" if len(panels) > 1 else False)
    axes = axes.reshape(2, len(panels))
    varied = "step_size" if study.varies("step_size") else "target_accept"
    for upper, lower, (_, chosen) in zip(*axes, panels):
        for number, (label, rows) in enumerate(study.groups("kernel", "beta", "target")):
            cells = rows & chosen
            lines_of(
                upper, study.means, cells, "acceptance_rate", "ess_per_gradient", label, number
            )
            lines_of(lower, study.means, cells, varied, "acceptance_rate", label, number)
            if varied == "step_size":  # what a run that adapts aims at
                aim = study.means["acceptance_target"][cells].mean()
                upper.axvline(aim, color=COLOURS[number], linestyle="--", linewidth=0.8)
        upper.set(xlabel="acceptance rate", yscale="log", xlim=(0, 1))
        lower.set(ylim=(0, 1), xlabel=varied.replace("_", " "))
        if varied == "target_accept":
            lower.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=0.8)
            lower.set(xlim=(0, 1), xlabel="acceptance rate that warm-up aims at")
    axes[0, 0].set_ylabel("ESS per gradient")
    axes[1, 0].set_ylabel("acceptance rate")
    plain_ticks(axes[0, 0].yaxis)
    named = name_flows(axes[0], [title for title, _ in panels])
    name_lines(axes[1, 0])
    name_picture(figure, study, "kernel", *named)
    return figure


def miss(study: StudyTables, row: int) -> tuple[float, float]:
    """Root mean square over seeds of the distance from the target, with its error."""
    own = study.runs_like(
        row,
        "chains",
        "draws",
        "warmup",
        "exchange_every",
        "kernel",
        "flow",
        "target",
        "beta",
        "target_accept",
    )
    aims = study.runs["target_accept" if "target_accept" in study.runs else "acceptance_target"]
    squares = (study.runs["acceptance_rate"][own] - aims[own]) ** 2
    root = np.sqrt(squares.mean())
    error = squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * root) if len(squares) > 1 else 0.0
    return root, error


def draw_exchange(study: StudyTables) -> Figure:
    expect_columns(study, "exchange", "chains")
    expect_columns(study, "exchange", "warmup")
    varied = [name for name in ("exchange_every", "kernel", "flow") if study.varies(name)]
    panels = list(study.groups(*varied))
    figure, axes = grid_of(1, len(panels), 4.2, 3.0, sharex=True, sharey=True)
    for panel, (title, chosen) in zip(axes[0], panels):
        for number, chains in enumerate(np.unique(study.means["chains"])):
            rows = np.flatnonzero(chosen & (study.means["chains"] == chains))
            rows = rows[np.argsort(study.means["warmup"][rows])]
            misses = np.array([miss(study, row) for row in rows])
            panel.errorbar(
                study.means["warmup"][rows],
                misses[:, 0],
                yerr=misses[:, 1],
                elinewidth=0.8,
                label=show("chains", chains),
                **look(number),
            )
        panel.set(xscale="log", yscale="log", xlabel="warm-up steps", title=title)
    ticks_at(axes[0, 0].xaxis, study.means["warmup"])
    plain_ticks(axes[0, 0].yaxis)
    axes[0, 0].set_ylabel("acceptance rate: rms distance from its target")
    name_lines(axes[0, -1], beside=True)
    name_picture(figure, study, *varied)
    return figure


def report_means(
    study: StudyTables, chains: int, column: str, root: bool = False
) -> tuple[Array, Array]:
    """Draws of all chains together and the mean over runs of a column of the reports."""
    runs = study.runs["run"][study.runs["chains"] == chains]
    chosen = np.isin(study.reports["run"], runs)
    draws = np.unique(study.reports["draws"][chosen])
    power = 2 if root else 1
    values = [
        np.mean(study.reports[column][chosen & (study.reports["draws"] == count)] ** power)
        ** (1 / power)
        for count in draws
    ]
    return draws * chains, np.array(values)


def draw_chains(study: StudyTables) -> Figure:
    expect_columns(study, "chains", "chains")
    if len(study.reports["run"]) == 0:
        raise PlotError("expected runs with reports, found none: set report_every below draws")
    figure, axes = grid_of(1, 3, 3.6, 3.0)
    left, middle, right = axes[0]
    middle.sharex(left)
    for number, chains in enumerate(np.unique(study.means["chains"])):
        style = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.1}
        draws, rhat = report_means(study, chains, "rhat")
        left.plot(draws, above_one(rhat), label=show("chains", chains), **style)
        draws, error = report_means(study, chains, "error", root=True)
        if np.isfinite(error).any():
            middle.plot(draws, error, **style)
    draw_root(middle)
    left.set(xscale="log", xlabel="draws of all chains", ylabel="R-hat")
    show_rhat(left)
    middle.set(xlabel="draws of all chains", ylabel="error of the mean (sd)")
    for number, (label, rows) in enumerate(study.groups("flow", "target", "kernel")):
        lines_of(right, study.means, rows, "chains", "ess_per_second", label, number)
    right.set(xscale="log", yscale="log", xlabel="chains", ylabel="ESS per second of sampling")
    ticks_at(right.xaxis, study.means["chains"])
    plain_ticks(right.yaxis)
    name_lines(left)
    name_lines(right)
    name_picture(figure, study)
    return figure


def draw_root(axes: Axes) -> None:
    """Beside errors, what the errors of independent draws do: 1 / sqrt(n)."""
    if not axes.lines:
        axes.text(0.5, 0.5, "no reference to hold the means against", ha="center", va="center")
        axes.set(yticks=[])
        return
    first = axes.lines[0]
    largest = max(max(line.get_xdata()) for line in axes.lines)
    span = np.geomspace(first.get_xdata()[0], largest, 50)
    scale = first.get_ydata()[-1] * np.sqrt(first.get_xdata()[-1])
    grey = {"color": "0.5", "linestyle": "--", "linewidth": 0.8}
    axes.plot(span, scale / np.sqrt(span), label="$1/\\sqrt{n}$", **grey)
    axes.set(yscale="log")
    plain_ticks(axes.yaxis)
    axes.legend()


def draw_beta(study: StudyTables) -> Figure:
    expect_columns(study, "beta", "beta")
    panels = list(study.groups("flow"))
    titles = (
        ("rhat", "R-hat"),
        ("ess_per_gradient", "ESS per gradient"),
        ("error", "error of the mean (sd)"),
    )
    shown = [(name, title) for name, title in titles if np.isfinite(study.means[name]).any()]
    figure, axes = grid_of(len(shown), len(panels), 3.1, 2.2, sharex=True, sharey="row")
    lines = study.others("flow", "beta")
    for across, (_, chosen) in enumerate(panels):
        for number, (label, rows) in enumerate(study.groups(*lines)):
            for down, (name, _) in enumerate(shown):
                panel = axes[down, across]
                lines_of(panel, study.means, rows & chosen, "beta", name, label, number)
        axes[-1, across].set_xlabel("beta")
    for row, (name, measure) in zip(axes, shown):
        row[0].set(ylabel=measure, yscale="log")
        if name == "rhat":
            show_rhat(*row)
        else:
            means = study.means[name]
            row[0].set_ylim(bottom=0.5 * np.nanmin(means, where=means > 0, initial=1))
            plain_ticks(row[0].yaxis)
    named = name_flows(axes[0], [title for title, _ in panels])
    name_lines(axes[0, 0])
    name_picture(figure, study, *named, *lines)
    return figure


def draw_levels(axes: Axes, study: StudyTables, chosen: Array, name: str) -> None:
    """Draws horizontal lines: the measures of naive draws and of the reference's second half."""
    for prefix, title, style in (
        ("naive_", "naive draws", "--"),
        ("floor_", "second half of the reference", ":"),
    ):
        levels = study.means[prefix + name][chosen]
        if not np.isfinite(levels).any():
            continue  # no run succeeded
        level = np.nanmean(levels)
        axes.axhline(level, color="0.4", linestyle=style, linewidth=0.9, label=title)


def draw_quality(study: StudyTables) -> Figure:
    """A column per flow and a row per measure. With a single flow the measures are side by side."""
    expect_columns(study, "quality", "beta")
    expect_columns(study, "quality", "precision")
    panels = list(study.groups("flow"))
    measures = [(name, title) for name, title in QUALITY if np.isfinite(study.means[name]).any()]
    down = len(panels) > 1
    shape = (len(measures), len(panels)) if down else (1, len(measures))
    figure, axes = grid_of(*shape, 3.0, 2.2, sharex=True, sharey="row" if down else False)
    lines = study.others("flow", "beta")
    for (across, (_, chosen)), (row, (name, measure)) in product(
        enumerate(panels), enumerate(measures)
    ):
        panel = axes[row, across] if down else axes[0, row]
        for number, (label, rows) in enumerate(study.groups(*lines)):
            lines_of(panel, study.means, rows & chosen, "beta", name, label, number)
        draw_levels(panel, study, chosen, name)
        if across == 0:
            panel.set_ylabel(measure)
        if not down and name in SHARES:
            panel.set_ylim(0, 1.02)
    for panel in axes[-1]:
        panel.set_xlabel("beta")
    named = name_flows(axes[0], [title for title, _ in panels])
    name_lines(axes[0, 0])
    name_picture(figure, study, *named, *lines)
    return figure


KINDS: dict[str, Callable[[StudyTables], Figure]] = {
    "densities": draw_densities,
    "kernels": draw_kernels,
    "step-size": draw_step_size,
    "exchange": draw_exchange,
    "chains": draw_chains,
    "beta": draw_beta,
    "quality": draw_quality,
}


def draw_study(path: Path, kind: str | None = None) -> list[Figure]:
    """Pictures of a study as figures of matplotlib: of this kind, or of all kinds that fit."""
    study = StudyTables(path)
    if not np.isfinite(study.means["runs"]).any() or "rhat" not in study.means:
        raise PlotError(f"expected a study with a run that succeeded in {path}, found none")
    plt.rcParams.update(STYLE)
    return [KINDS[name](study) for name in ([kind] if kind else kinds_of(study))]
