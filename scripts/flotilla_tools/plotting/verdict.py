# SPDX-License-Identifier: BSD-3-Clause
"""What `flotilla summary` says of a run: its figures, and whether it has converged."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from flotilla_tools.errors import InputError, one_line
from flotilla_tools.plotting.plain_numbers import as_float, fixed, number, whole
from flotilla_tools.program import complaint, one_machine

Summary = Mapping[str, Any]
"""The JSON of `flotilla summary --json`."""


class Verdict(NamedTuple):
    """Whether a run has converged, and why, a sentence each."""

    converged: bool
    sentences: list[str]
    hints: list[str]  # what would help, the likeliest first

    @property
    def headline(self) -> str:
        """In two words at most."""
        return "Converged" if self.converged else "Not converged"


def summary_of(path: Path, program: Path) -> Summary:
    """What the program finds in a run file."""
    done = subprocess.run(
        [str(program), "summary", str(path), "--json"],
        env=one_machine("none"),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = one_line(complaint(done.stderr)).removeprefix("flotilla: ")
        raise InputError(reason or f"expected a summary of {path}, found none")
    found: Summary = json.loads(done.stdout)
    return found


def decisive_rhat(summary: Summary) -> tuple[str, str]:
    """The name and the title of the R-hat that decides."""
    return ("nested_rhat", "nested R-hat") if summary["superchains"] else ("rhat", "R-hat")


DIVERGENCE = "draws whose proposal had a value that is not finite"


class KeyFigure(NamedTuple):
    """One of the few figures that tell the state of a run."""

    title: str
    value: str
    note: str  # what it belongs to, or is held against
    good: bool | None = None  # whether it meets its threshold, if it has one


def worst_of(summary: Summary, name: str, largest: bool) -> tuple[str, float]:
    """The quantity with the largest or smallest value of a figure, and that value; a figure that
    is not defined is worse than any."""
    worst = math.inf if largest else -math.inf

    def badness(one: Mapping[str, Any]) -> float:
        value = as_float(one[name])
        value = worst if math.isnan(value) else value
        return value if largest else -value

    found = max(summary["quantities"], key=badness)
    return str(found["name"]), as_float(found[name])


def key_figures(summary: Summary) -> list[KeyFigure]:
    """Draws, convergence, effective draws, acceptance, divergences."""
    sampling, limits = summary["sampling"], summary["thresholds"]
    name, title = decisive_rhat(summary)
    rhat_of, rhat = worst_of(summary, name, largest=True)
    tails = ("bulk", "tail")
    least = {tail: worst_of(summary, f"ess_{tail}", largest=False) for tail in tails}
    tail = min(tails, key=lambda one: -math.inf if math.isnan(least[one][1]) else least[one][1])
    ess_of, ess = least[tail]
    chains, draws = summary["chains"], summary["draws"]
    return [
        KeyFigure("draws", whole(chains * draws), f"{whole(chains)} chains × {whole(draws)}"),
        KeyFigure(
            f"worst {title}",
            fixed(rhat, 3),
            f"of {rhat_of}; at most {number(limits['max_rhat'])} wanted",
            rhat <= limits["max_rhat"],
        ),
        KeyFigure(
            "fewest effective draws",
            whole(ess),
            f"{tail} ESS of {ess_of}; at least {whole(limits['min_ess'])} wanted",
            ess >= limits["min_ess"],
        ),
        KeyFigure(
            "acceptance",
            fixed(sampling["acceptance_rate"], 3),
            f"of local moves; of global ones {fixed(sampling['global_acceptance_rate'], 3)}",
        ),
        KeyFigure(
            "divergences",
            whole(sampling["diverging"]),
            DIVERGENCE,
        ),
    ]


def verdict_of(summary: Summary) -> Verdict:
    """The program's own verdict; what failed, or what was reached."""
    limits = summary["thresholds"]
    reached = (
        f"{decisive_rhat(summary)[1]} at most {limits['max_rhat']:g} and ESS at least "
        f"{limits['min_ess']:g} for every quantity"
    )
    hints = [hint["sentence"] for hint in summary["hints"]]
    return Verdict(bool(summary["converged"]), list(summary["failures"]) or [reached], hints)
