# SPDX-License-Identifier: BSD-3-Clause
"""The page of a study: how many runs succeeded, its pictures, its means."""

from pathlib import Path
from typing import Sequence

import numpy as np

from flotilla_tools.plotting.page import (
    Column,
    meanings,
    page,
    single_picture,
    table,
    text,
    verdict,
)
from flotilla_tools.plotting.plain_numbers import number, with_error
from flotilla_tools.plotting.study import draw_study
from flotilla_tools.plotting.study_tables import Columns, StudyTables
from flotilla_tools.plotting.style import PlotError

MEASURES = (
    Column("runs", "runs", "that succeeded, one a seed"),
    Column("acceptance_rate", "acceptance", "share of local moves accepted"),
    Column("rhat", "R-hat", "of the worst quantity: 1 if the chains agree"),
    Column("ess_bulk", "effective draws", "of the worst quantity"),
    Column("ess_tail", "effective, tails", "the same of the 5 % and 95 % quantiles"),
    Column("ess_per_second", "effective a second", "effective draws over sampling time"),
    Column("error", "error of the mean", "distance from the reference, in its sd"),
    Column("draws_to_rhat", "draws to R-hat", "of each chain, until R-hat is small enough"),
    Column("seconds_to_rhat", "seconds to R-hat", "of sampling, until R-hat is small enough"),
    Column("energy_distance", "energy distance", "between the draws and the reference: 0 if alike"),
    Column("precision", "precision", "share of draws that have the reference around them"),
    Column("coverage", "coverage", "share of the reference that has draws around it"),
    Column("mode_distance", "in the wrong mode", "share of draws that would have to change mode"),
)
"""Of the columns of means, those that the page shows beside what was varied."""


def study_pictures(path: Path) -> str:
    """The pictures, or the reason why there is none. A page is useful without pictures."""
    try:
        caption = "What the study found, with standard errors over seeds"
        return "".join(single_picture(figure, caption) for figure in draw_study(path))
    except PlotError as problem:
        return f"<p>No picture: {text(problem)}</p>"


def study_page(path: Path) -> str:
    """The page of a study."""
    study = StudyTables(path)
    messages = zip(study.runs["run"], study.runs["message"])
    failed = [[run, message] for run, message in messages if message]
    count = len(study.runs["run"])
    sentences = [f"{count - len(failed):,} of {count:,} runs succeeded"]
    if len(study.means.get("rhat", ())):
        met = int(np.sum(study.runs["rhat"] <= 1.01))
        sentences.append(f"R-hat of {met:,} runs is at most 1.01")
    unmet = sum(bool(sentence) for sentence in study.runs.get("unmet", ()))
    if unmet:
        sentences.append(f"{unmet:,} runs never met until_rhat or until_ess")
    parts = [
        verdict(not failed, sentences),
        "<h2>Picture</h2>",
        study_pictures(path),
        "<h2>Means over seeds</h2>",
        *means_of(study),
    ]
    if failed:
        parts += ["<h2>Failed runs</h2>", table(["run", "message"], failed, words=True)]
    return page(f"Study {path.name}", parts)


def varied_in(study: StudyTables) -> list[str]:
    """The columns that the study varied: settings, not what came out."""
    means = study.means
    return [
        name
        for name in means
        if name in study.runs
        and study.varies(name)
        and not name.endswith("_error")
        and f"{name}_error" not in means
    ]


def means_of(study: StudyTables) -> Sequence[str]:
    """A table of the means with their standard errors, and what its columns mean."""
    means, varied = study.means, varied_in(study)
    measures = [column for column in MEASURES if column.name in means]
    head = [name.replace("_", " ") for name in varied] + [column.title for column in measures]
    names = varied + [column.name for column in measures]
    rows = [[shown(means, name, row) for name in names] for row in range(len(means["runs"]))]
    return table(head, rows), meanings(measures)


def shown(means: Columns, name: str, row: int) -> str:
    """A value, with its error if it has one."""
    value = means[name][row]
    if isinstance(value, str):
        return Path(value).name if "/" in value else value
    error = means[f"{name}_error"][row] if f"{name}_error" in means else np.nan
    return with_error(value, error) if error > 0 else number(value)
