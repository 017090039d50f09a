# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of the reports that a run wrote while it ran: R-hat and effective draws."""

import json
from pathlib import Path
from typing import Any, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from flotilla_tools.arrays import Array
from flotilla_tools.plotting.panels import finite
from flotilla_tools.plotting.plain_numbers import as_float, number
from flotilla_tools.plotting.style import COLOURS, STYLE

LONGEST_FILE = 100_000_000
"""Bytes of reports that are read."""

Reports = Sequence[Mapping[str, Any]]


def reports_beside(run: Path, draws: int) -> Reports:
    """The reports of a run, up to its committed draws; none if it wrote none."""
    beside = run.with_suffix(".jsonl")
    if not beside.is_file() or beside.stat().st_size > LONGEST_FILE:
        return []
    found = []
    for line in beside.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            break  # the run was killed while writing it
        if isinstance(report, dict) and 0 <= as_float(report.get("draws")) <= draws:
            found.append(report)
    return found


def column(reports: Reports, name: str) -> Array:
    """A figure of the reports [report], NaN where it is not defined."""
    values = np.array([as_float(report.get(name)) for report in reports])
    return np.where(np.abs(values) < 1e100, values, np.nan)


def pictures_on_the_way(
    reports: Reports, max_rhat: float, min_ess: float
) -> list[tuple[str, Figure]]:
    """R-hat and effective draws while the run went on, beside what is wanted of them."""
    plt.rcParams.update(STYLE)
    rows = (
        ("R-hat", [("rhat", "R-hat"), ("nested_rhat", "nested R-hat")], max_rhat),
        ("Effective draws", [("ess", "effective draws")], min_ess),
    )
    found = []
    for title, names, wanted in rows:
        shown = [(column(reports, name), label) for name, label in names]
        shown = [(values, label) for values, label in shown if len(finite(values))]
        if shown:
            figure = draw_reports(reports, shown, wanted)
            figure.axes[0].set_title(f"{title} of the worst quantity")
            found.append((f"{title} while the run went on", figure))
    return found


def draw_reports(reports: Reports, shown: Sequence[tuple[Array, str]], wanted: float) -> Figure:
    """The curves that there are. A single report is a point."""
    figure = plt.figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    for (values, label), colour in zip(shown, COLOURS):
        axes.plot(column(reports, "draws"), values, color=colour, marker=".", label=label)
    axes.axhline(
        wanted, color="0.4", linestyle="--", linewidth=0.8, label=f"wanted: {number(wanted)}"
    )
    axes.set(xlabel="draws of each chain", xlim=(0, None))
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.legend()
    return figure
