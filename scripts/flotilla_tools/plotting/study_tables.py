# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a study: what was varied, what came of it, and what the runs have in common."""

from pathlib import Path
from typing import Any, Iterator

import h5py
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.hdf5_files import Unfit, apart, array_at, has_group, opened, whole
from flotilla_tools.plotting.style import PlotError


class Columns(dict[str, Array]):
    """A table: columns by name. One that is missing is told in a sentence."""

    def __missing__(self, name: str) -> Array:
        raise PlotError(f"expected the output of 'flotilla study', found one without column {name}")


NUMBERS = (
    "acceptance_rate",
    "acceptance_target",
    "chains",
    "draws",
    "error",
    "ess_per_second",
    "final_global_fraction",
    "rhat",
    "runs",
    "seed",
)
"""Columns that cannot be texts, as those with an error."""


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
        """Whether the study varies an option. A figure of the same name has an error beside it."""
        is_option = name in self.means and name + "_error" not in self.means
        return is_option and len(np.unique(self.means[name])) > 1

    def others(self, *names: str) -> list[str]:
        """The varied columns other than these. A comparison's reference belongs to its flow."""
        known = {*names, "runs", "compare_reference", "compare_modes", "acceptance_target"}
        return [
            name
            for name in self.means
            if name not in known
            and not name.endswith("_error")
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

    def subject(self, *shown: str) -> str:
        """What a picture is of, but for what it shows itself: flow, target, kernel and seeds."""
        names = [name for name in ("flow", "target", "kernel") if name not in shown]
        values = [sorted({*map(str, self.means[name])}) for name in names if name in self.means]
        texts = [", ".join(show("", value) for value in some) for some in values]
        seeds = len(np.unique(self.runs["seed"]))
        return " · ".join([*texts, "one seed" if seeds == 1 else f"means of {seeds} seeds"])

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
        return Path(value).stem if value.endswith((".h5", ".pt", ".so")) else value
    if name == "chains" and value == 1:
        return "1 chain"
    if name == "chains":
        return f"{value:g} chains"
    return f"{name.replace('_', ' ')} {value:g}"
