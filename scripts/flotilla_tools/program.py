# SPDX-License-Identifier: BSD-3-Clause
"""The program flotilla: where it is, and how scripts run it."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Mapping, Sequence

from flotilla_tools.errors import SurroundingsError

SCRIPTS = Path(__file__).resolve().parent.parent
"""scripts/ of a clone, or share/flotilla/scripts below an installation's prefix."""

IN_A_CLONE = SCRIPTS.parent
PLACES = (
    IN_A_CLONE / "build/release/apps/flotilla/flotilla",
    IN_A_CLONE / "build/program/apps/flotilla/flotilla",
    SCRIPTS.parents[2] / "bin/flotilla",
)
"""Where the program is looked for before PATH: built in this clone, installed beside these
scripts."""

FLOWS = next(
    (folder for folder in (IN_A_CLONE / "apps/flows", SCRIPTS.parent / "flows") if folder.is_dir()),
    IN_A_CLONE / "apps/flows",
)
"""The shipped flows."""

Environment = Mapping[str, str]


class ProgramError(SurroundingsError):
    """A program that cannot be run or that failed."""


def find_program(given: Path | None) -> Path:
    """The absolute path of the program: the given one, else the nearest."""
    on_path = shutil.which("flotilla")
    places = [given] if given else [*PLACES, *([Path(on_path)] if on_path else [])]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place.resolve()
    raise ProgramError(
        f"expected the program at {' or '.join(map(str, places))}, found none: build it with "
        "scripts/build, or say where it is with --flotilla"
    )


def one_machine(binding: str = "core") -> dict[str, str]:
    """The environment for more ranks than this machine has cores."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "OMPI_MCA_hwloc_base_binding_policy": binding,
        # Containers withhold rights that the default needs, and Open MPI would warn.
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    }


class Flotilla:
    """The program under mpirun, on one machine that may have fewer cores than ranks."""

    def __init__(self, given: Path | None, ranks: int, binding: str = "core") -> None:
        self.path, self.ranks = find_program(given), ranks
        self.environment = one_machine(binding)

    def sample(self, flow: str | Path, output: str | Path, options: Mapping[str, Any]) -> None:
        """Runs `flotilla sample`; `options` maps names of options, without dashes, to values."""
        words = ["mpirun", "-n", str(self.ranks), str(self.path), "sample", str(flow)]
        words += ["-o", str(output), "--quiet", *as_words(options)]
        run(words, self.environment)


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Command-line words of {name: value}; a value of True is a flag, None leaves it out."""
    words = []
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def run(words: Sequence[str], environment: Environment) -> str:
    """The output of a command. If it failed, raises an error with its complaint."""
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ProgramError(f"expected a command {words[0]}, found none: install it") from None
    if done.returncode != 0:
        raise ProgramError(
            f"expected success of '{shlex.join(words)}', found exit code {done.returncode} and "
            f"the message: {complaint(done.stderr)}"
        )
    return done.stdout


def complaint(text: str) -> str:
    """The line with the reason: the last of a traceback, else the first that is not a rule."""
    lines = [line for line in text.splitlines() if line.strip("- ")] or ["(none)"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]
