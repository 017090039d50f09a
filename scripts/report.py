#!/usr/bin/python3
"""One page about a run or a study: the verdict first, then figures, configuration, provenance.

    report.py run.h5                   writes run.html
    report.py study.h5 -o page.html

The page is one HTML file with its pictures in it: it opens without a network and can be mailed.
Figures of a run are those of `flotilla summary`, pictures those of plot_run.py and plot_study.py.
"""

import argparse
import base64
import html
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import plot_run
from compare_speed import FLOTILLA
from plot_study import COLOURS, StudyTables, draw_study
from plot_style import STYLE, PlotError

MOST_ROWS = 40
"""Rows of a table; more are told by their number."""

STYLE_SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: 6px solid; padding: 0.6rem 1rem; background: #f6f6f6; }
.good { border-color: #009e73; } .bad { border-color: #d55e00; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; } pre { background: #f6f6f6; padding: 0.8rem; overflow-x: auto; }
"""


class ReportError(ValueError):
    """A page that cannot be made; the message is one sentence for the user."""


# --- Pieces of a page ---------------------------------------------------------------------------


def text(value):
    return html.escape(str(value))


def number(value, digits=4):
    if isinstance(value, str):
        return text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "&ndash;"
    return f"{value:.{digits}g}"


def picture(png, caption):
    """An image of the page itself. @param png  bytes"""
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def as_png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()


def table(head, rows):
    shown = rows[:MOST_ROWS]
    lines = ["<tr>" + "".join(f"<th>{text(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{number(cell)}</td>" for cell in row) + "</tr>" for row in shown]
    more = f"<p>and {len(rows) - len(shown)} more</p>" if len(rows) > len(shown) else ""
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>{more}'


def verdict(good, sentences):
    items = "".join(f"<div>{text(sentence)}</div>" for sentence in sentences)
    return f'<div class="verdict {"good" if good else "bad"}">{items}</div>'


def page(title, parts):
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE_SHEET}</style></head>\n<body>\n'
        f"<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


# --- A run --------------------------------------------------------------------------------------


def summary_of(path, program):
    """What `flotilla summary --json` says."""
    if not os.access(program, os.X_OK):
        raise ReportError(
            f"expected the program at {program}, found none: build it with scripts/build, or say "
            "where it is with --flotilla"
        )
    done = subprocess.run(
        [str(Path(program).resolve()), "summary", str(path), "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ReportError(done.stderr.strip().removeprefix("flotilla: "))
    return json.loads(done.stdout)


def worst_first(quantities, rhat):
    """The least converged quantities first; what is infinite or not defined before all."""
    badness = lambda one: one[rhat] if isinstance(one[rhat], float) else math.inf
    return sorted(quantities, key=badness, reverse=True)


def report_lines(path):
    """The reports that a run wrote as it went, or none."""
    beside = path.with_suffix(".jsonl")
    if not beside.is_file():
        return []
    lines = []
    for line in beside.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break  # a kill cut it off
    return lines


def draw_reports(lines):
    """R-hat and effective draws as the run went."""
    plt.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 2.8), layout="constrained")
    column = lambda name: [np.nan if line[name] is None else line[name] for line in lines]
    left.plot(column("draws"), column("rhat"), color=COLOURS[0], label="R-hat")
    left.plot(column("draws"), column("nested_rhat"), color=COLOURS[1], label="nested R-hat")
    left.axhline(1.01, color="0.5", linestyle="--", linewidth=0.8)
    left.set(xlabel="draws of each chain", title="R-hat, worst quantity")
    left.legend()
    right.plot(column("draws"), column("ess"), color=COLOURS[0])
    right.set(xlabel="draws of each chain", title="ESS, worst quantity")
    return as_png(figure)


def run_picture(path, flow):
    """What plot_run.py draws, without the flow's own density where the flow is not at hand."""
    run = plot_run.read_run(path)
    found = plot_run.find_flow(run, flow)
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run.png"
        plot_run.plot(run, found, plot_run.image_shape(run, found, None), output)
        return output.read_bytes()


def run_page(path, options):
    summary = summary_of(path, options.flotilla)
    sampling = summary["sampling"]
    with h5py.File(path, "r") as file:
        facts = {name: file.attrs[name] for name in file.attrs}
    rhat, title = ("nested_rhat", "nested R-hat") if summary["superchains"] else ("rhat", "R-hat")
    sentences = summary["failures"] or [
        f"{title} at most {summary['thresholds']['max_rhat']:g} and ESS at least "
        f"{summary['thresholds']['min_ess']:g} for every quantity"
    ]
    head = "Converged" if summary["converged"] else "Not converged"
    columns = ["mean", "mcse_mean", "sd", "q5", "median", "q95", "ess_bulk", "ess_tail", "rhat"]
    if summary["superchains"]:
        columns.append("nested_rhat")
    rows = [[one["name"], *(one[name] for name in columns)] for one in worst_first(summary["quantities"], rhat)]
    parts = [
        f"<p>{text(summary['chains'])} chains, {text(summary['draws'])} draws each, of "
        f"{text(Path(str(facts.get('flow_file', '?'))).name)}, target {text(facts.get('target', '?'))}, "
        f"kernel {text(facts.get('kernel', '?'))}</p>",
        verdict(summary["converged"], [head + ":", *sentences]),
        "<h2>Figures</h2>",
        table(["worst first", *columns], rows),
        table(["sampling", ""], [[name.replace("_", " "), value] for name, value in sampling.items()]),
        "<h2>Pictures</h2>",
        picture(run_picture(path, options.flow), "Draws, traces and warm-up"),
    ]
    lines = [line for line in report_lines(path) if line["draws"] <= summary["draws"]]
    if lines:
        parts.append(picture(draw_reports(lines), "Convergence while the run went on"))
    config = str(facts.pop("config", ""))
    provenance = [[name, text_of(value)] for name, value in sorted(facts.items())]
    parts += [
        "<h2>Configuration</h2>", f"<pre>{text(config)}</pre>",
        "<h2>Provenance</h2>", table(["", ""], provenance),
    ]
    return page(f"Run {path.name}", parts)


def text_of(value):
    return value if isinstance(value, str) else f"{value:g}"


# --- A study ------------------------------------------------------------------------------------


def study_pictures(path):
    """The pictures, or why there is none: tables and messages are worth a page without them."""
    try:
        caption = "What the study found, with standard errors over seeds"
        return "".join(picture(as_png(figure), caption) for figure in draw_study(path))
    except PlotError as problem:
        return f"<p>No picture: {text(problem)}</p>"


def study_page(path, _options):
    study = StudyTables(path)
    failed = [
        [run, message] for run, message in zip(study.runs["run"], study.runs["message"]) if message
    ]
    count = len(study.runs["run"])
    sentences = [f"{count - len(failed)} of {count} runs succeeded"]
    rhat = study.means.get("rhat", np.array([]))
    if len(rhat):
        met = int(np.sum(study.runs["rhat"] <= 1.01))
        sentences.append(f"R-hat of {met} runs is at most 1.01")
    columns = [name for name in study.means if not name.endswith("_error")]
    varied = [name for name in columns if name in study.runs and study.varies(name)
              and f"{name}_error" not in study.means]
    wanted = ["runs", "acceptance_rate", "rhat", "ess_bulk", "ess_tail", "ess_per_second", "error",
              "draws_to_rhat", "seconds_to_rhat", "energy_distance", "precision", "coverage",
              "mode_distance"]
    head = varied + [name for name in wanted if name in study.means]
    rows = []
    for row in range(len(study.means["runs"])):
        cells = []
        for name in head:
            value = study.means[name][row]
            error = study.means.get(f"{name}_error", np.full(len(study.means["runs"]), np.nan))[row]
            cells.append(
                f"{value:.4g} ± {error:.1g}" if np.isfinite(error) and error > 0
                else value if isinstance(value, str) else float(value)
            )
        rows.append(cells)
    parts = [
        verdict(not failed, sentences),
        "<h2>Picture</h2>",
        study_pictures(path),
        "<h2>Means over seeds</h2>",
        table(head, rows),
    ]
    if failed:
        parts += ["<h2>Failed runs</h2>", table(["run", "message"], failed)]
    return page(f"Study {path.name}", parts)


# --- Command line -------------------------------------------------------------------------------


def is_study(path):
    if not path.is_file():
        raise ReportError(f"expected a run or a study at {path}, found none: check the path")
    try:
        with h5py.File(path, "r") as file:
            return "runs" in file and "means" in file
    except OSError as problem:
        raise ReportError(f"expected an HDF5 file at {path}: {problem}") from problem


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, help="a run file, or the output of 'flotilla study'")
    parser.add_argument("-o", "--output", type=Path, help="default: the input's name with .html")
    parser.add_argument("--flow", type=Path, help="the run's flow file, where it has moved")
    parser.add_argument("--flotilla", type=Path, default=FLOTILLA,
                        help="the program (default: the release build)")
    options = parser.parse_args()
    output = options.output or options.input.with_suffix(".html")
    try:
        make = study_page if is_study(options.input) else run_page
        output.write_text(make(options.input, options), encoding="utf-8")
    except (ValueError, OSError) as problem:
        sys.exit(f"report.py: {problem}")
    print(output)


if __name__ == "__main__":
    main()
