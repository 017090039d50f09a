# SPDX-License-Identifier: BSD-3-Clause
"""The page of a run: the verdict first, then figures, pictures, configuration, provenance."""

import math
from pathlib import Path
from typing import Any, Mapping, Sequence

from flotilla_tools.hdf5_files import apart
from flotilla_tools.plotting.convergence import pictures_on_the_way, reports_beside
from flotilla_tools.plotting.page import (
    Cell,
    Column,
    meanings,
    page,
    pictures,
    table,
    text,
    tiles,
    verdict,
)
from flotilla_tools.plotting.plain_numbers import (
    as_float,
    decimals_of,
    fixed,
    number,
    whole,
    with_error,
)
from flotilla_tools.plotting.run import find_flow, image_shape, material_of, title_of
from flotilla_tools.plotting.run import pictures as pictures_of_run
from flotilla_tools.plotting.run_file import Run, read_run
from flotilla_tools.plotting.verdict import (
    DIVERGENCE,
    Summary,
    decisive_rhat,
    key_figures,
    summary_of,
    verdict_of,
)

QUANTITIES = (
    Column("mean", "mean ± error", "with its Monte Carlo standard error"),
    Column("sd", "sd", "standard deviation"),
    Column("q5", "5 %", "quantile: this share of draws is below"),
    Column("median", "median", "half of the draws are below"),
    Column("q95", "95 %", "quantile: this share of draws is below"),
    Column(
        "ess_bulk", "effective draws", "independent draws that would tell as much of the centre"
    ),
    Column("ess_tail", "effective, tails", "the same of the 5 % and 95 % quantiles"),
    Column("rhat", "R-hat", "spread of all chains over the spread within them: 1 if they agree"),
    Column("nested_rhat", "nested R-hat", "the same of groups of chains that started together"),
)
"""What the summary has of each quantity."""

NAMES = {
    "lp": Column("lp", "lp", "log density of the target in latent space (nats)"),
    "log_det_jacobian": Column(
        "log_det_jacobian", "log_det_jacobian", "l(z), how much the flow stretches volume (nats)"
    ),
}
"""Quantities whose names need a word."""

SAMPLING = (
    Column("acceptance_rate", "acceptance of local moves", "share of Langevin steps accepted"),
    Column("global_acceptance_rate", "acceptance of global moves", "share of jumps accepted"),
    Column("step_size", "step size", "of local moves, fixed after warm-up"),
    Column("mean_squared_jump", "squared jump", "mean squared distance from draw to draw"),
    Column("diverging", "divergences", DIVERGENCE),
    Column("warmup_seconds", "warm-up (s)", "wall-clock time"),
    Column("sampling_seconds", "sampling (s)", "wall-clock time"),
    Column("gradients", "gradients", "evaluations of the target's gradient"),
    Column("ess_per_second", "effective draws a second", "of the worst quantity"),
    Column("ess_per_gradient", "effective draws a gradient", "of the worst quantity"),
)
"""What the summary has of the run as a whole."""


def worst_first(summary: Summary) -> list[Mapping[str, Any]]:
    """The least converged quantities first; what is not defined comes before all."""
    name = decisive_rhat(summary)[0]

    def badness(one: Mapping[str, Any]) -> float:
        found = as_float(one[name])
        return math.inf if math.isnan(found) else found

    return sorted(summary["quantities"], key=badness, reverse=True)


def shown(one: Mapping[str, Any], name: str) -> str:
    """A figure of a quantity, to the digits that are worth reading."""
    value = one[name]
    if name == "mean":
        return with_error(value, one["mcse_mean"])
    if name.startswith("ess_"):
        return whole(value)
    if name.endswith("rhat"):
        return fixed(value, 3)
    decimals = decimals_of(one["sd"])
    return number(value) if decimals is None or decimals > 6 else fixed(value, decimals + 1)


def misses(summary: Summary, one: Mapping[str, Any], name: str) -> bool:
    """Whether a figure misses its threshold, or is not defined and has one."""
    limits = summary["thresholds"]
    if name.startswith("ess_"):
        return not as_float(one[name]) >= limits["min_ess"]
    if name == decisive_rhat(summary)[0]:
        return not as_float(one[name]) <= limits["max_rhat"]
    return False


def quantities_of(summary: Summary) -> str:
    """A table of the quantities, the least converged first."""
    columns = [one for one in QUANTITIES if one.name != "nested_rhat" or summary["superchains"]]
    rows: list[list[Any]] = []
    for one in worst_first(summary):
        cells = [(shown(one, column.name), misses(summary, one, column.name)) for column in columns]
        rows.append([one["name"], *(Cell(told) if missed else told for told, missed in cells)])
    named = [NAMES[one["name"]] for one in summary["quantities"] if one["name"] in NAMES]
    titles = ["worst first", *(column.title for column in columns)]
    return table(titles, rows) + meanings([*named, *columns])


def sampling_of(summary: Summary) -> str:
    """A table of the run as a whole."""
    sampling = summary["sampling"]
    rows = [
        [column.title, number(sampling[column.name]), column.meaning]
        for column in SAMPLING
        if column.name in sampling
    ]
    return table(["figure", "value", "meaning"], rows, words=True)


def pictures_of(path: Path, run: Run, summary: Summary, flow: Path | None, program: Path) -> str:
    """The pictures of plot_run.py one by one, and those of the reports beside the run."""
    values = find_flow(run, flow, program)
    shape = image_shape(run, values, None)
    limits = summary["thresholds"]
    reports = reports_beside(path, run.draws)
    found = pictures_of_run(material_of(run, values), shape)
    found += pictures_on_the_way(reports, limits["max_rhat"], limits["min_ess"])
    return pictures(found)


def provenance_of(run: Run) -> Sequence[Sequence[str]]:
    """The run's own account of itself, but for its configuration."""
    facts = {name: value for name, value in run.facts.items() if name != "config"}
    # A seed is a name, not an amount.
    return [[n, str(v) if isinstance(v, int) else number(v)] for n, v in sorted(facts.items())]


def run_page(path: Path, flow: Path | None, program: Path) -> str:
    """The page of a run."""
    run = apart(read_run, path)  # before the program: it refuses what must not be followed
    summary = summary_of(path, program)
    judged = verdict_of(summary)
    parts = [
        f"<p>{text(title_of(run))}</p>",
        verdict(judged.converged, [f"{judged.headline}:", *judged.sentences, *judged.hints]),
        tiles(key_figures(summary)),
        "<h2>Pictures</h2>",
        pictures_of(path, run, summary, flow, program),
        "<h2>Figures</h2>",
        quantities_of(summary),
        "<h2>Sampling</h2>",
        sampling_of(summary),
        "<h2>Configuration</h2>",
        f"<pre>{text(run.facts.get('config', 'not recorded'))}</pre>",
        "<h2>Provenance</h2>",
        table(["attribute", "value"], provenance_of(run), words=True),
    ]
    return page(f"Run {path.name}", parts)
