# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a study: the kind that fits what the study varied."""

from pathlib import Path
from typing import Any, Callable, Iterator

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flotilla_tools.arrays import Array
from flotilla_tools.hdf5_files import Unfit, apart, array_at, has_group, opened, whole
from flotilla_tools.plotting.style import COLOURS, MARKERS, STYLE, PlotError


class Columns(dict[str, Array]):
    """A table: columns by name. One that is missing is told in a sentence."""

    def __missing__(self, name: str) -> Array:
        raise PlotError(f"expected the output of 'flotilla study', found one without column {name}")


NUMBERS = ("acceptance_rate", "chains", "draws", "error", "ess_per_second", "rhat", "runs")
"""Columns that cannot be texts, as those with an error."""


TARGET_ACCEPT = 0.574
"""What a run aims at unless told otherwise."""

QUALITY = (
    ("energy_distance", "energy distance"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("coverage", "coverage"),
    ("mode_distance", "share in the wrong mode"),
)
"""Of the measures of 'flotilla compare', those that a picture has room for."""


# --- The study ----------------------------------------------------------------------------------


def columns_of(file: h5py.File, group: str) -> Columns:
    """A table of a study file; all its columns have one length."""
    if not has_group(file, group):
        raise Unfit(f"found one without {group}")
    found = Columns({name: column_of(file, f"{group}/{name}") for name in file[group]})
    if len({len(values) for values in found.values()}) > 1:
        raise Unfit(f"found one where columns of {group} have several lengths")
    for name, values in found.items():
        if (name in NUMBERS or f"{name}_error" in found) and values.dtype.kind not in "iufb":
            raise Unfit(f"found one where {name} of {group} is no column of numbers")
    return found


def column_of(file: h5py.File, name: str) -> Array:
    """The numbers or the texts of a column."""
    item = array_at(file, name)
    if item.dtype.kind in "OS" and item.shape is not None and item.ndim == 1:
        return np.asarray(item.asstr(errors="replace")[()])
    return whole(file, name)


def read_tables(path: Path) -> tuple[Columns, Columns, Columns]:
    """The tables of runs, of means over seeds, and of reports."""
    with opened(path, "the output of 'flotilla study'") as file:
        return columns_of(file, "runs"), columns_of(file, "means"), columns_of(file, "reports")


class StudyTables:
    """The tables of a study file: columns as arrays, by name."""

    def __init__(self, path: Path) -> None:
        self.runs, self.means, self.reports = apart(read_tables, path)

    def varies(self, name: str) -> bool:
        return name in self.means and len(np.unique(self.means[name])) > 1

    def others(self, *names: str) -> list[str]:
        """The varied columns other than these. A comparison's reference belongs to its flow."""
        known = {*names, "runs", "compare_reference", "compare_modes"}
        return [
            name
            for name in self.means
            if name not in known
            and not name.endswith("_error")
            and name + "_error" not in self.means
            and self.varies(name)
        ]

    def groups(self, *names: str) -> Iterator[tuple[str, Array]]:
        """For each combination of values of these columns (those that the study has): a label, and
        its rows of `means`."""
        varied = [name for name in names if self.varies(name)]
        if not varied:
            yield "", np.ones(len(self.means["runs"]), dtype=bool)
            return
        rows = list(zip(*(self.means[name] for name in varied)))
        for row in sorted(set(rows), key=rows.index):
            label = ", ".join(show(name, value) for name, value in zip(varied, row))
            yield label, np.array([other == row for other in rows])

    def runs_like(self, row: int, *names: str) -> Array:
        """Which runs agree with a row of `means` in these columns."""
        chosen = np.ones(len(self.runs["run"]), dtype=bool)
        for name in names:
            if name in self.means:
                chosen &= self.runs[name] == self.means[name][row]
        return chosen


def show(name: str, value: Any) -> str:
    """A value in a legend. A number needs the name of its column, a text does not."""
    if isinstance(value, str):
        return Path(value).stem if "." in value else value
    return f"{name.replace('_', ' ')} {value:g}"


def kinds_of(study: StudyTables) -> list[str]:
    """The pictures that a study's columns ask for, the most telling one last."""
    if study.varies("step_size") or study.varies("target_accept"):
        return ["step-size"]
    if study.varies("warmup") and study.varies("chains"):
        return ["exchange"]
    if study.varies("chains"):
        return ["chains"]
    if study.varies("beta"):
        return ["beta", "quality"] if "precision" in study.means else ["beta"]
    raise PlotError(
        "expected a study that varies step_size, target_accept, warmup with chains, chains or "
        "beta, found none of them: use the CSV files beside it"
    )


# --- Pictures -----------------------------------------------------------------------------------


def lines_of(
    axes: Axes, table: Columns, rows: Array, x: str, y: str, label: str, number: int
) -> None:
    """Means with their errors, in the order of x; nothing where no run succeeded."""
    order = np.flatnonzero(rows)[np.argsort(table[x][rows])]
    order = order[np.isfinite(table[y][order])]
    if not len(order):
        return
    axes.errorbar(
        table[x][order],
        table[y][order],
        yerr=np.nan_to_num(table[y + "_error"][order]) if y + "_error" in table else None,
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=4,
        linewidth=1.1,
        elinewidth=0.8,
        label=label,
    )


def expect_columns(study: StudyTables, kind: str, *alternatives: str) -> None:
    if not any(name in study.means for name in alternatives):
        raise PlotError(
            f"expected a study that varies {' or '.join(alternatives)} for --kind {kind}, "
            "found none"
        )


def draw_step_size(study: StudyTables) -> Figure:
    expect_columns(study, "step-size", "step_size", "target_accept")
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    varied = "step_size" if study.varies("step_size") else "target_accept"
    for number, (label, rows) in enumerate(study.groups("kernel", "flow", "beta", "target")):
        lines_of(left, study.means, rows, "acceptance_rate", "ess_per_gradient", label, number)
        lines_of(right, study.means, rows, varied, "acceptance_rate", label, number)
    left.axvline(TARGET_ACCEPT, color="0.5", linestyle="--", linewidth=0.8)
    left.set(
        xlabel="acceptance rate",
        ylabel="ESS per gradient",
        yscale="log",
        xlim=(0, 1),
        title="Effective draws against acceptance",
    )
    right.axhline(TARGET_ACCEPT, color="0.5", linestyle="--", linewidth=0.8)
    right.set(
        xlabel=varied.replace("_", " "),
        ylabel="acceptance rate",
        ylim=(0, 1),
        title=f"Acceptance against {varied.replace('_', ' ')}",
    )
    name_lines(left)
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
    wanted = study.runs["target_accept"][own] if "target_accept" in study.runs else TARGET_ACCEPT
    squares = (study.runs["acceptance_rate"][own] - wanted) ** 2
    root = np.sqrt(squares.mean())
    error = squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * root) if len(squares) > 1 else 0.0
    return root, error


def draw_exchange(study: StudyTables) -> Figure:
    expect_columns(study, "exchange", "chains")
    expect_columns(study, "exchange", "warmup")
    panels = list(study.groups("exchange_every", "kernel"))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(4.3 * len(panels), 3.2),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for panel, (title, chosen) in zip(axes[0], panels):
        for number, chains in enumerate(np.unique(study.means["chains"])):
            rows = np.flatnonzero(chosen & (study.means["chains"] == chains))
            rows = rows[np.argsort(study.means["warmup"][rows])]
            misses = np.array([miss(study, row) for row in rows])
            panel.errorbar(
                study.means["warmup"][rows],
                misses[:, 0],
                yerr=misses[:, 1],
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
                linewidth=1.1,
                elinewidth=0.8,
                label=f"{chains:g} chains",
            )
        panel.set(xscale="log", yscale="log", xlabel="warm-up steps", title=title)
    axes[0, 0].set_ylabel(f"distance of acceptance from {TARGET_ACCEPT}")
    name_lines(axes[0, -1])
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
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.2), layout="constrained")
    for number, chains in enumerate(np.unique(study.means["chains"])):
        style = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.1}
        draws, rhat = report_means(study, chains, "rhat")
        left.plot(draws, np.maximum(rhat - 1, 1e-6), label=f"{chains:g} chains", **style)
        draws, error = report_means(study, chains, "error", root=True)
        if np.isfinite(error).any():
            middle.plot(draws, error, **style)
    if middle.lines:
        first, last = middle.lines[0].get_xdata()[0], max(
            max(line.get_xdata()) for line in middle.lines
        )
        scale = middle.lines[0].get_ydata()[-1] * np.sqrt(middle.lines[0].get_xdata()[-1])
        span = np.geomspace(first, last, 50)
        middle.plot(
            span,
            scale / np.sqrt(span),
            color="0.5",
            linestyle="--",
            linewidth=0.8,
            label="$1/\\sqrt{n}$",
        )
        middle.set(xscale="log", yscale="log")
        middle.legend()
    else:
        middle.text(0.5, 0.5, "no reference to hold the means against", ha="center", va="center")
        middle.set(xticks=[], yticks=[])
    left.axhline(0.01, color="0.5", linestyle="--", linewidth=0.8)
    left.set(
        xscale="log", yscale="log", xlabel="draws of all chains", ylabel="R-hat - 1", title="R-hat"
    )
    middle.set(
        xlabel="draws of all chains",
        ylabel="error of the mean (sd)",
        title="Error against the reference",
    )
    for label, rows in study.groups("target", "kernel"):
        lines_of(right, study.means, rows, "chains", "ess_per_second", label, 0)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="chains",
        ylabel="ESS per second",
        title="Effective draws per second",
    )
    name_lines(left)
    return figure


def draw_beta(study: StudyTables) -> Figure:
    expect_columns(study, "beta", "beta")
    panels = list(study.groups("flow"))
    titles = (
        ("rhat", "R-hat"),
        ("ess_per_gradient", "ESS per gradient"),
        ("error", "error of the mean (sd)"),
    )
    shown = [(name, title) for name, title in titles if np.isfinite(study.means[name]).any()]
    figure, axes = plt.subplots(
        len(shown),
        len(panels),
        figsize=(3.4 * len(panels) + 0.8, 2.4 * len(shown)),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    for column, (title, chosen) in enumerate(panels):
        for number, (label, rows) in enumerate(study.groups(*study.others("flow", "beta"))):
            for row, (name, measure) in enumerate(shown):
                lines_of(
                    axes[row, column], study.means, rows & chosen, "beta", name, label, number
                )
                axes[row, column].set(yscale="linear" if name == "rhat" else "log")
                axes[row, 0].set_ylabel(measure)
        axes[0, column].set_title(title)
        axes[-1, column].set_xlabel("beta")
    name_lines(axes[0, 0])
    return figure


def name_lines(axes: Axes) -> None:
    """A legend, if there are lines with names."""
    if any(axes.get_legend_handles_labels()[1]):
        axes.legend()


def draw_floors(axes: Axes, study: StudyTables, chosen: Array, name: str) -> None:
    """Draws horizontal lines: the measures of naive draws and of the reference's second half."""
    for prefix, title, style in (
        ("naive_", "naive", "--"),
        ("floor_", "the reference itself", ":"),
    ):
        levels = study.means[prefix + name][chosen]
        if not np.isfinite(levels).any():
            continue  # no run succeeded
        level = np.nanmean(levels)
        axes.axhline(level, color="0.4", linestyle=style, linewidth=0.9, label=title)


def draw_quality(study: StudyTables) -> Figure:
    expect_columns(study, "quality", "beta")
    expect_columns(study, "quality", "precision")
    panels = list(study.groups("flow"))
    measures = [(name, title) for name, title in QUALITY if np.isfinite(study.means[name]).any()]
    # A column per flow and a row per measure. With a single flow the measures are side by side.
    down = len(panels) > 1
    shape = (len(measures), len(panels)) if down else (1, len(measures))
    figure, axes = plt.subplots(
        *shape,
        figsize=(3.0 * shape[1] + 0.8, 2.3 * shape[0] + 0.6),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    for column, (title, chosen) in enumerate(panels):
        for row, (name, measure) in enumerate(measures):
            panel = axes[row, column] if down else axes[0, row]
            for number, (label, rows) in enumerate(study.groups(*study.others("flow", "beta"))):
                lines_of(panel, study.means, rows & chosen, "beta", name, label, number)
            draw_floors(panel, study, chosen, name)
            if column == 0:
                panel.set_ylabel(measure)
            if row == 0 and title:
                panel.set_title(title)
            if not down or row == len(measures) - 1:
                panel.set_xlabel("beta")
    name_lines(axes[0, 0])
    return figure


KINDS: dict[str, Callable[[StudyTables], Figure]] = {
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
