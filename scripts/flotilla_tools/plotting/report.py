# SPDX-License-Identifier: BSD-3-Clause
"""One page about a run or a study: the verdict first, then figures, configuration, provenance."""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import attributes_of, opened
from flotilla_tools.plotting import run as runs
from flotilla_tools.plotting.page import as_png, page, picture, table, text, verdict
from flotilla_tools.plotting.study import Columns, StudyTables, draw_study
from flotilla_tools.plotting.style import COLOURS, STYLE, PlotError
from flotilla_tools.plotting.verdict import (
    Summary,
    Verdict,
    decisive_rhat,
    summary_of,
    verdict_of,
)
from flotilla_tools.program import find_program


class Options(argparse.Namespace):
    """The inputs of a page."""

    input: Path
    output: Path | None
    flow: Path | None
    flotilla: Path | None


# --- A run --------------------------------------------------------------------------------------


def worst_first(quantities: Sequence[Mapping[str, Any]], rhat: str) -> list[Mapping[str, Any]]:
    """The least converged quantities first; infinite and undefined figures come before all."""

    def badness(one: Mapping[str, Any]) -> float:
        return one[rhat] if isinstance(one[rhat], float) else math.inf

    return sorted(quantities, key=badness, reverse=True)


def report_lines(path: Path) -> list[dict[str, Any]]:
    """The reports that a run wrote while it ran; empty if there are none."""
    beside = path.with_suffix(".jsonl")
    if not beside.is_file():
        return []
    lines = []
    for line in beside.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break  # the run was killed while writing it
    return lines


def draw_reports(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """R-hat and effective draws during the run."""
    plt.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 2.8), layout="constrained")

    def column(name: str) -> list[float]:
        return [np.nan if line[name] is None else line[name] for line in lines]

    left.plot(column("draws"), column("rhat"), color=COLOURS[0], label="R-hat")
    left.plot(column("draws"), column("nested_rhat"), color=COLOURS[1], label="nested R-hat")
    left.axhline(1.01, color="0.5", linestyle="--", linewidth=0.8)
    left.set(xlabel="draws of each chain", title="R-hat, worst quantity")
    left.legend()
    right.plot(column("draws"), column("ess"), color=COLOURS[0])
    right.set(xlabel="draws of each chain", title="ESS, worst quantity")
    return as_png(figure)


def picture_of(path: Path, flow_file: Path | None, program: Path, judged: Verdict) -> bytes:
    """The picture of plot_run.py, without the flow's density if the flow file is missing."""
    run = runs.read_run(path)
    flow = runs.find_flow(run, flow_file, program)
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run.png"
        runs.plot(run, flow, runs.image_shape(run, flow, None), output, judged)
        return output.read_bytes()


def run_page(path: Path, options: Options) -> str:
    """The page of a run."""
    program = find_program(options.flotilla)
    summary = summary_of(path, program)
    judged = verdict_of(summary)
    with opened(path, "a run file") as file:
        facts = attributes_of(file)
    config = str(facts.pop("config", ""))
    provenance = [[name, text_of(value)] for name, value in sorted(facts.items())]
    parts = [
        f"<p>{text(summary['chains'])} chains, {text(summary['draws'])} draws each, of "
        f"{text(Path(str(facts.get('flow_file', '?'))).name)}, "
        f"target {text(facts.get('target', '?'))}, "
        f"kernel {text(facts.get('kernel', '?'))}</p>",
        verdict(judged.converged, [f"{judged.headline}:", *judged.sentences]),
        "<h2>Figures</h2>",
        *figures_of(summary),
        "<h2>Pictures</h2>",
        picture(picture_of(path, options.flow, program, judged), "Draws, traces and warm-up"),
        *pictures_on_the_way(path, summary["draws"]),
        "<h2>Configuration</h2>",
        f"<pre>{text(config)}</pre>",
        "<h2>Provenance</h2>",
        table(["", ""], provenance),
    ]
    return page(f"Run {path.name}", parts)


def figures_of(summary: Summary) -> list[str]:
    """A table of the quantities, the least converged first, and one of the sampling."""
    columns = ["mean", "mcse_mean", "sd", "q5", "median", "q95", "ess_bulk", "ess_tail", "rhat"]
    if summary["superchains"]:
        columns.append("nested_rhat")
    worst = worst_first(summary["quantities"], decisive_rhat(summary)[0])
    rows = [[one["name"], *(one[name] for name in columns)] for one in worst]
    sampling = [[name.replace("_", " "), value] for name, value in summary["sampling"].items()]
    return [table(["worst first", *columns], rows), table(["sampling", ""], sampling)]


def pictures_on_the_way(path: Path, draws: int) -> list[str]:
    """Pictures of the reports of a run, up to its committed draws; none without reports."""
    lines = [line for line in report_lines(path) if line["draws"] <= draws]
    return [picture(draw_reports(lines), "Convergence while the run went on")] if lines else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


# --- A study ------------------------------------------------------------------------------------


def study_pictures(path: Path) -> str:
    """The pictures, or the reason why there is none. A page is useful without pictures."""
    try:
        caption = "What the study found, with standard errors over seeds"
        return "".join(picture(as_png(figure), caption) for figure in draw_study(path))
    except PlotError as problem:
        return f"<p>No picture: {text(problem)}</p>"


MEASURES = (
    "runs",
    "acceptance_rate",
    "rhat",
    "ess_bulk",
    "ess_tail",
    "ess_per_second",
    "error",
    "draws_to_rhat",
    "seconds_to_rhat",
    "energy_distance",
    "precision",
    "coverage",
    "mode_distance",
)
"""Of the columns of means, those that the page shows beside what was varied."""


def study_page(path: Path, _options: Options) -> str:
    """The page of a study."""
    study = StudyTables(path)
    messages = zip(study.runs["run"], study.runs["message"])
    failed = [[run, message] for run, message in messages if message]
    count = len(study.runs["run"])
    sentences = [f"{count - len(failed)} of {count} runs succeeded"]
    if len(study.means.get("rhat", ())):
        met = int(np.sum(study.runs["rhat"] <= 1.01))
        sentences.append(f"R-hat of {met} runs is at most 1.01")
    parts = [
        verdict(not failed, sentences),
        "<h2>Picture</h2>",
        study_pictures(path),
        "<h2>Means over seeds</h2>",
        means_of(study),
    ]
    if failed:
        parts += ["<h2>Failed runs</h2>", table(["run", "message"], failed)]
    return page(f"Study {path.name}", parts)


def means_of(study: StudyTables) -> str:
    """A table of the means, with their standard errors."""
    means = study.means
    varied = [
        name
        for name in means
        if name in study.runs
        and study.varies(name)
        and not name.endswith("_error")
        and f"{name}_error" not in means
    ]
    head = varied + [name for name in MEASURES if name in means]
    rows = [[cell(means, name, row) for name in head] for row in range(len(means["runs"]))]
    return table(head, rows)


def cell(means: Columns, name: str, row: int) -> str | float:
    """A value, with its error if it has one."""
    value = means[name][row]
    if isinstance(value, str):
        return value
    error = means[f"{name}_error"][row] if f"{name}_error" in means else np.nan
    return f"{value:.4g} ± {error:.1g}" if np.isfinite(error) and error > 0 else float(value)


def is_study(path: Path) -> bool:
    if not path.is_file():
        raise InputError(f"expected a run or a study at {path}, found none: check the path")
    with opened(path, "an HDF5 file") as file:
        return "runs" in file and "means" in file


def write_page(options: Options) -> Path:
    """Writes the page of a run or a study; returns its path."""
    output = options.output or options.input.with_suffix(".html")
    make = study_page if is_study(options.input) else run_page
    output.write_text(make(options.input, options), encoding="utf-8")
    return output
