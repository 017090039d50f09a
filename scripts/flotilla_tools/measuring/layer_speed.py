# SPDX-License-Identifier: BSD-3-Clause
"""MALA through flows of every kind of layer: the program against PyTorch, and against itself on the
same flow as a TorchScript file, in chain-steps per second of processor time."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

from flotilla_tools.measuring.effective import children_seconds
from flotilla_tools.measuring.speed import (
    Case,
    Contender,
    Options,
    PyTorch,
    Timed,
    flops_of_step,
    median,
    peak_of_core,
)
from flotilla_tools.program import SCRIPTS, Flotilla, complaint, run

KINDS = (
    "affine",
    "spline",
    "circular",
    "rational_linear",
    "bernstein",
    "sum_of_squares",
    "gaussianization",
    "monotone_network",
    "integrated_network",
    "residual",
)
DIM, LAYERS, WIDTHS, CHAINS = 8, 4, "64,64", 128
PASSES = 2
"""Passes of a step of MALA through each network: f, and its reverse pass."""

SHORT_DRAWS = 3
"""Draws of the run whose processor time, start and end, is taken from that of a longer one."""

MOST_EXPORT_SECONDS = 120
"""Longer than this no export of a small flow is worth waiting for."""


def case_of(kind: str, directory: Path) -> Case:
    path = directory / f"{kind}.h5"
    case = Case(kind, path, DIM, WIDTHS, CHAINS, 0.1, kind, LAYERS, kernel="mala")
    return case._replace(thin=1, warmup=1)


def exported(case: Case) -> tuple[Path | None, str]:
    """The flow as a TorchScript file that samples, or None and why there is none."""
    twin = case.flow.with_suffix(".pt")
    words = [str(SCRIPTS / "export_torchscript.py"), "--flow", str(case.flow), "-o", str(twin)]
    try:
        done = subprocess.run(
            [*words, "--no-inverse"],
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_EXPORT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"not exported in {MOST_EXPORT_SECONDS} s"
    if done.returncode == 0:
        return twin, ""
    return None, complaint(done.stderr).partition(":")[2].partition(":")[0].strip()


class Race:
    """One contender on one flow."""

    def __init__(self, contender: Contender, case: Case, seconds: float) -> None:
        self.contender, self.case = contender, case
        self.short, rate = self.timed(SHORT_DRAWS)
        self.draws = SHORT_DRAWS + max(SHORT_DRAWS, round(rate * seconds / case.chains))

    def timed(self, draws: int) -> tuple[float, float]:
        """Processor time of a run, start and end included, and the rate that it tells itself."""
        before = children_seconds()
        rate = self.contender.rate(self.case, draws)
        return children_seconds() - before, rate

    def rate(self) -> float:
        """Chain-steps per second of processor time."""
        seconds = self.timed(self.draws)[0] - self.short
        return self.case.chains * (self.draws - SHORT_DRAWS) / seconds


class Row(NamedTuple):
    """What was found of a flow. Rates in chain-steps per second of processor time."""

    kind: str
    native: float
    pytorch: float
    torchscript: float | None
    missing: str  # why there is no TorchScript
    flops: float  # of a step
    log_density: float  # largest deviation of the program from PyTorch, both in double
    gradient: float

    def cells(self, peak: float) -> Iterator[str]:
        yield self.kind.replace("_", " ")
        yield f"{self.pytorch:,.0f}"
        yield self.missing if self.torchscript is None else f"{self.torchscript:,.0f}"
        yield f"{self.native:,.0f}"
        yield f"{self.native / self.pytorch:.1f}"
        yield "" if self.torchscript is None else f"{self.native / self.torchscript:.1f}"
        yield f"{self.flops:,.0f}"
        yield f"{100.0 * self.native * self.flops / peak:.0f} %"
        yield f"{self.log_density:.0e}"
        yield f"{self.gradient:.0e}"


def deviations(flotilla: Flotilla, flow: Path) -> tuple[float, float]:
    """Of log q_X and of the gradient of log|det J|, at the golden draws of the file."""
    words = [str(flotilla.path), "flow", "verify", str(flow), "--json"]
    found = json.loads(run(words, flotilla.environment))["golden"]["double"]
    return found["log_det"] + found["base_log_density"], found["log_det_gradient"]


def row_of(case: Case, torch: PyTorch, one: Timed, options: Options) -> Row:
    case.make_flow()
    races = {
        "native": Race(one, case, options.seconds),
        "pytorch": Race(torch, case, options.seconds),
    }
    twin, missing = exported(case)
    if twin is not None:
        races["torchscript"] = Race(one, case._replace(flow=twin), options.seconds)
    rates: dict[str, list[float]] = {name: [] for name in races}
    for _ in range(options.rounds):
        for name, race in races.items():
            rates[name].append(race.rate())
    told = ", ".join(f"{name} {median(found):,.0f}" for name, found in rates.items())
    print(f"{case.kind}: {told} chain-steps/s {missing}", file=sys.stderr, flush=True)
    return Row(
        case.kind,
        median(rates["native"]),
        median(rates["pytorch"]),
        median(rates["torchscript"]) if twin is not None else None,
        missing,
        flops_of_step(one, case, PASSES),
        *deviations(one, case.flow),
    )


HEADER = (
    "4 layers, couplings but for the last",
    "PyTorch",
    "TorchScript",
    "flotilla",
    "to PyTorch",
    "to TorchScript",
    "FLOP of a step",
    "of the matrix product",
    "log q_X",
    "gradient",
)


def compare(options: Options) -> list[str]:
    """The lines of a markdown table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch, one = PyTorch(), Timed(options.flotilla, 1, binding="none")
    with tempfile.TemporaryDirectory() as directory:
        cases = [case_of(kind, Path(directory)) for kind in KINDS]
        rows = [row_of(case, torch, one, options) for case in cases]
    peak = peak_of_core()
    lines: list[Sequence[str]] = [HEADER, ("---", *["---:"] * (len(HEADER) - 1))]
    lines += [tuple(row.cells(peak)) for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


CAPTION = (
    f"MALA in float, {DIM} dimensions, {CHAINS} chains, conditioners of {WIDTHS.replace(',', '-')} "
    "units: chain-steps per second of processor time, one thread each, in turns. A step's FLOP are "
    "two passes through the weights of conditioners and of curves that are networks. log q_X and "
    "its gradient: largest deviation from PyTorch in double at the golden draws."
)
