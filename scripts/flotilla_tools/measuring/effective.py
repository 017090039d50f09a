# SPDX-License-Identifier: BSD-3-Clause
"""Effective draws per second of processor time: the program's defaults against PyTorch's best."""

import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import h5py

from flotilla_tools.measuring.speed import PyTorch, median, spread
from flotilla_tools.program import FLOWS, IN_A_CLONE, Flotilla, run

Settings = Mapping[str, Any]

FEWEST_DRAWS = 100
"""Of a chain; the sampling error of fewer would be that of its ESS."""


class Case(NamedTuple):
    """A flow and its target, and how long PyTorch samples it."""

    flow: Path
    target: Settings
    chains: int  # of PyTorch, all in one batch
    gradients: int  # of PyTorch, of a run of all chains
    warmup: int = 50  # of PyTorch
    lengths: Sequence[int] = (1, 2, 4)  # leapfrog steps that HMC tries
    shares: Sequence[float] = (0.3, 0.6)  # of global moves that PyTorch tries
    sizes: Settings = {"draws": 1000}  # of the program, in place of its defaults

    def title(self) -> str:
        return f"{self.flow.stem}, {self.target.get('target', 'beta 1')}"


TOYS = [
    Case(FLOWS / f"{name}.h5", {}, 1024, 409_600)
    for name in ("two_moons", "six_gaussians", "three_rings")
]
RANDOM = Case(IN_A_CLONE / "apps/studies/random_32.h5", {}, 1024, 204_800, shares=(0.1, 0.3))
GLOW = Case(
    FLOWS / "fashion_mnist_glow.h5",
    {"target": "clipped"},
    64,
    6_400,
    lengths=(1,),
    shares=(0.6,),
    sizes={"chains": 64, "draws": 100},
)
CASES: Mapping[str, Sequence[Case]] = {
    "effective": [*TOYS, RANDOM],
    "effective-glow": [GLOW],
}


def case_of(flow: Path) -> Case:
    """A flow of the user's, such as the trained one in 64 dimensions of kernel_panel.py."""
    return Case(flow, {}, 512, 51_200, shares=(0.1,))


# --- PyTorch's settings -------------------------------------------------------------------------


class Setting(NamedTuple):
    """A kernel of PyTorch and its share of global moves."""

    leapfrog_steps: int  # of HMC; 0 for MALA
    share: float

    def options(self) -> Settings:
        kernel = {"kernel": "hmc", "leapfrog-steps": self.leapfrog_steps}
        return {
            **(kernel if self.leapfrog_steps else {"kernel": "mala"}),
            "global-fraction": self.share,
        }

    def title(self) -> str:
        kernel = f"HMC {self.leapfrog_steps}" if self.leapfrog_steps else "MALA"
        return f"{kernel}, share {self.share:g}" if self.share else kernel


def local_settings(case: Case) -> list[Setting]:
    """MALA and jittered HMC by themselves."""
    return [Setting(length, 0.0) for length in (0, *case.lengths)]


def mixed_settings(case: Case) -> list[Setting]:
    """MALA with global moves between. Among HMC's longer moves they would waste gradients."""
    return [Setting(0, share) for share in case.shares]


# --- Measuring ----------------------------------------------------------------------------------


class Contest:
    """Both programs on one flow, one thread each."""

    def __init__(self, case: Case, flotilla: Flotilla, torch: PyTorch, directory: Path) -> None:
        self.case, self.flotilla, self.torch = case, flotilla, torch
        self.output = directory / "run.h5"

    def smallest_ess(self) -> float:
        """Of bulk and tail, coordinates, l and lp of the run, by the program's own estimator."""
        words = [str(self.flotilla.path), "summary", str(self.output), "--json"]
        found = json.loads(run(words, self.flotilla.environment))["sampling"]
        return float(found["ess_per_second"] * found["sampling_seconds"])

    def program(self, seed: int) -> float:
        """Effective draws of the program's defaults per second of processor time.

        Of what the whole process took, start and end included, sampling has its share of the time
        in both phases.
        """
        before = children_seconds()
        settings = {**self.case.target, **self.case.sizes, "seed": seed, "force": True}
        self.flotilla.sample(self.case.flow, self.output, settings)
        seconds = children_seconds() - before
        with h5py.File(self.output) as file:
            sampling = float(file.attrs["sampling_seconds"])
            share = sampling / (sampling + float(file.attrs["warmup_seconds"]))
        return self.smallest_ess() / (seconds * share)

    def pytorch(self, setting: Setting, seed: int) -> float:
        """Effective draws of PyTorch per second of processor time. Only sampling counts."""
        draws = self.case.gradients // (self.case.chains * max(1, setting.leapfrog_steps))
        sizes = {"chains": self.case.chains, "warmup": self.case.warmup}
        sizes["draws"] = max(FEWEST_DRAWS, draws)
        settings = {**self.case.target, **setting.options(), **sizes, "seed": seed}
        self.torch.sample(self.case.flow, {**settings, "output": self.output})
        with h5py.File(self.output) as file:
            return self.smallest_ess() / float(file.attrs["sampling_cpu_seconds"])

    def best(self, settings: Sequence[Setting]) -> Setting:
        rates = {}
        for setting in settings:
            rates[setting] = self.pytorch(setting, seed=1000)
            tell(f"{self.case.title()}: PyTorch, {setting.title()}: {rates[setting]:,.0f}")
        return max(rates, key=lambda setting: rates[setting])


def children_seconds() -> float:
    """Processor time of the processes that this one has started and awaited."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Row(NamedTuple):
    """Effective draws per second of processor time, round by round."""

    title: str
    program: list[float]
    pytorch: dict[Setting, list[float]]  # the best local setting, then the best mixed one if tried

    def cells(self) -> Iterator[str]:
        yield self.title
        yield spread(self.program)
        for setting, rates in self.pytorch.items():
            yield f"{setting.title()}: {spread(rates)}"
            yield f"{median(self.program) / median(rates):.1f}"


def compare_case(contest: Contest, rounds: int) -> Row:
    """Finds PyTorch's best settings, then runs all contenders in turns."""
    case = contest.case
    pytorch: dict[Setting, list[float]] = {contest.best(local_settings(case)): []}
    if case.shares:
        pytorch[contest.best(mixed_settings(case))] = []
    program: list[float] = []
    for seed in range(1, rounds + 1):
        program.append(contest.program(seed))
        for setting, rates in pytorch.items():
            rates.append(contest.pytorch(setting, seed))
        found = ", ".join(f"{rates[-1]:,.0f}" for rates in (program, *pytorch.values()))
        tell(f"{case.title()}, round {seed} of {rounds}: {found} effective draws/s")
    return Row(case.title(), program, pytorch)


def compare(cases: Sequence[Case], flotilla: Flotilla, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        torch = PyTorch()
        return [
            compare_case(Contest(case, flotilla, torch, Path(directory)), rounds) for case in cases
        ]


# --- Report -------------------------------------------------------------------------------------


HEADER = (
    "flow, target",
    "flotilla, effective draws/s",
    "PyTorch, MALA or HMC",
    "ratio",
    "PyTorch, with global moves",
    "ratio",
)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of a markdown table."""
    found = [HEADER, ("---",) * len(HEADER)]
    for row in rows:
        cells = tuple(row.cells())
        found.append(cells + ("",) * (len(HEADER) - len(cells)))
    return [f"| {' | '.join(cells)} |" for cells in found]


CAPTION = (
    "Smallest ESS of bulk and tail, over coordinates, l and lp, per second of processor time of "
    "the sampling phase; medians of rounds, lowest and highest in brackets. PyTorch: the best of "
    "those tried. HMC's number is that of its leapfrog steps, on average."
)
