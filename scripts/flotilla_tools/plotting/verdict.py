# SPDX-License-Identifier: BSD-3-Clause
"""What `flotilla summary` says of a run: its figures, and whether it has converged."""

import json
import subprocess
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from flotilla_tools.errors import InputError
from flotilla_tools.program import one_machine

Summary = Mapping[str, Any]
"""The JSON of `flotilla summary --json`."""


class Verdict(NamedTuple):
    """Whether a run has converged, and why, a sentence each."""

    converged: bool
    sentences: list[str]

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
        check=False,
    )
    if done.returncode != 0:
        raise InputError(done.stderr.strip().removeprefix("flotilla: "))
    found: Summary = json.loads(done.stdout)
    return found


def decisive_rhat(summary: Summary) -> tuple[str, str]:
    """The name and the title of the R-hat that decides."""
    return ("nested_rhat", "nested R-hat") if summary["superchains"] else ("rhat", "R-hat")


def verdict_of(summary: Summary) -> Verdict:
    """The program's own verdict; what failed, or what was reached."""
    limits = summary["thresholds"]
    reached = (
        f"{decisive_rhat(summary)[1]} at most {limits['max_rhat']:g} and ESS at least "
        f"{limits['min_ess']:g} for every quantity"
    )
    return Verdict(bool(summary["converged"]), list(summary["failures"]) or [reached])
