# SPDX-License-Identifier: BSD-3-Clause
"""Compares the speed of the program with PyTorch's, and of two ranks with one, in turns."""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Protocol, Sequence

import h5py

from flotilla_tools.program import FLOWS, IN_A_CLONE, SCRIPTS, Flotilla, as_words, run

BENCH = IN_A_CLONE / "build/release/apps/bench/flotilla_bench"
PASSES = 4
"""Conditioner passes of a step of metric MALA: f, the score, and two Jacobian products."""

SHORTEST_DRAWS = 3
"""Draws of the run by which the length of the others is chosen."""


class Options(argparse.Namespace):
    """What is compared, and for how long."""

    flotilla: Path | None
    rounds: int
    seconds: float
    markdown: bool
    flows: Sequence[Path]
    only: Sequence[str]


# --- Cases --------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A flow and how it is sampled. `step_size` is close to what warm-up finds."""

    name: str
    flow: Path
    dim: int
    widths: str
    chains: int
    step_size: float
    kind: str = "affine"
    layers: int = 8
    kernel: str = "metric-mala"
    shipped: bool = False  # the flow exists already
    thin: int = 10
    warmup: int = 10
    """Steps before the timed ones, without adaptation: they bring memory and caches into use."""

    def options(self, draws: int) -> dict[str, Any]:
        """The options of a case, for either program."""
        return {
            "chains": self.chains,
            "warmup": self.warmup,
            "draws": draws,
            "thin": self.thin,
            "kernel": self.kernel,
            "target": "tempered",
            "beta": 1,
            "global-fraction": 0,
            "step-size": self.step_size,
            "no-adapt": True,
            "precision": "float",
            "seed": 1,
        }

    def make_flow(self) -> None:
        if self.shipped:
            return
        shape = {"dim": self.dim, "layers": self.layers, "widths": self.widths}
        shape = {**shape, "kind": self.kind, "activation": "tanh"}
        words = [str(SCRIPTS / "random_flow.py"), "-o", str(self.flow)]
        run(words + as_words({**shape, "seed": 1}), os.environ)

    def title(self) -> str:
        if self.shipped:
            return f"{self.flow.stem}, {self.kernel}, {self.chains} chains"
        layers = f"{self.layers} {self.kind} layers of {self.widths.replace(',', '-')}"
        return f"dim {self.dim}, {layers}, {self.chains} chains"


def cases(directory: Path) -> dict[str, Case]:
    planar = Case("planar", directory / "planar.h5", 2, "64,64", 1024, 0.15)
    image = Case("image", directory / "image.h5", 784, "512,512", 256, 0.01)
    return {case.name: case for case in (planar, image)}


def shipped_cases() -> list[Case]:
    """A Glow on images, with either local move."""
    glow = Case("glow", FLOWS / "fashion_mnist_glow.h5", 784, "", 64, 1e-4, shipped=True, thin=1)
    glow = glow._replace(warmup=2)
    euclidean = glow._replace(name="glow, mala", kernel="mala", step_size=0.02)
    return [glow, euclidean]


ARCHITECTURES = ("affine", "spline", "maf", "iaf")


def architectures(directory: Path) -> list[Case]:
    """Flows of each kind in 8, 64 and 512 dimensions. maf finds one coordinate after another when
    it samples, iaf when it evaluates densities."""
    found = []
    for kind in ARCHITECTURES:
        for dim, widths, chains in ((8, "64,64", 512), (64, "256,256", 256), (512, "512,512", 64)):
            path = directory / f"{kind}_{dim}.h5"
            step_size = 0.1 / dim**0.5
            case = Case(f"{kind} {dim}", path, dim, widths, chains, step_size, kind, layers=4)
            found.append(case._replace(thin=1, warmup=2))
    return found


# --- Contenders ---------------------------------------------------------------------------------


class Contender(Protocol):
    """A program that samples a case and reports its rate."""

    def rate(self, case: "Case", draws: int) -> float:
        """Chain-steps per second in the sampling phase."""


class Timed(Flotilla):
    """The program, measured by its own report."""

    def rate(self, case: "Case", draws: int) -> float:
        """Chain-steps per second of all ranks together, in the sampling phase."""
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "run.h5"
            self.sample(case.flow, output, {**case.options(draws), "no-latent": True})
            with h5py.File(output, "r") as file:
                return float(file.attrs["chain_steps_per_second"])


class PyTorch:
    """reference_torch.py on one thread. Its BLAS may choose the code for this processor."""

    def __init__(self) -> None:
        tuning = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
        kept = {name: value for name, value in os.environ.items() if name not in tuning}
        self.environment = {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def sample(self, flow: Path, options: Mapping[str, Any]) -> str:
        """What reference_torch.py prints about a run."""
        words = [str(SCRIPTS / "reference_torch.py"), str(flow), "--threads", "1"]
        return run(words + as_words(options), self.environment)

    def rate(self, case: Case, draws: int) -> float:
        """Chain-steps per second in the sampling phase."""
        printed = self.sample(case.flow, {**case.options(draws), "time": True})
        name, number = printed.splitlines()[-1].split()
        assert name == "chain_steps_per_second"
        return float(number)


# --- Comparing ----------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Rates of two contenders in the same rounds, in chain-steps per second."""

    title: str
    names: tuple[str, str]
    rates: tuple[list[float], list[float]]  # two lists with one entry per round
    flops: float = 0.0  # per chain-step, a multiply-add counts as two; 0 if not needed

    def ratio(self) -> float:
        """The speed of the second over that of the first."""
        return median(self.rates[1]) / median(self.rates[0])

    def row(self) -> list[str]:
        cells = (f"{name} {spread(rates)}" for name, rates in zip(self.names, self.rates))
        return [self.title, *cells, f"{self.ratio():.2f}"]

    def share(self, peak: float) -> str:
        """The second's share of the core's matrix product, in percent."""
        return f"{100.0 * median(self.rates[1]) * self.flops / peak:.0f} %"


def median(rates: Sequence[float]) -> float:
    """The middle of the rounds."""
    return float(statistics.median(rates))


def spread(rates: Sequence[float]) -> str:
    lowest, middle, highest = min(rates), median(rates), max(rates)
    return f"{middle:,.0f} ({lowest:,.0f} to {highest:,.0f})"


def compare(
    case: Case, contenders: tuple[Contender, Contender], names: tuple[str, str], options: Options
) -> Comparison:
    """Runs both contenders in turns, each with as many draws as fill the time."""
    draws = [fitting_draws(contender, case, options.seconds) for contender in contenders]
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(options.rounds):
        for contender, count, found in zip(contenders, draws, rates):
            found.append(contender.rate(case, count))
        print(
            f"{case.name}, round {number + 1} of {options.rounds}: "
            f"{names[0]} {rates[0][-1]:,.0f}, {names[1]} {rates[1][-1]:,.0f} chain-steps/s",
            file=sys.stderr,
            flush=True,
        )
    return Comparison(case.title(), names, rates)


def fitting_draws(contender: Contender, case: Case, seconds: float) -> int:
    steps = contender.rate(case, SHORTEST_DRAWS) * seconds / case.chains
    return max(SHORTEST_DRAWS, round(steps / case.thin))


def peak_of_core() -> float:
    """FLOP/s of a matrix product in float on one core, measured by flotilla_bench."""
    printed = run([str(BENCH), "--benchmark_filter=none"], {**os.environ, "OMP_NUM_THREADS": "1"})
    words = next(line for line in printed.splitlines() if line.startswith("float:")).split()
    return float(words[words.index("GFLOP/s") - 1]) * 1e9


def flops_of_step(flotilla: Flotilla, case: Case, passes: float = PASSES) -> float:
    """FLOP per step and chain, by default for the passes of metric MALA."""
    printed = run([str(flotilla.path), "flow", "show", str(case.flow)], flotilla.environment)
    line = next(line for line in printed.splitlines() if "multiply-adds" in line)
    return 2.0 * passes * float(line.split()[1])


def compare_architectures(
    options: Options, directory: Path, torch: PyTorch, one: Timed
) -> list[Comparison]:
    found = []
    for case in architectures(directory):
        case.make_flow()
        comparison = compare(case, (torch, one), ("PyTorch", "flotilla"), options)
        found.append(comparison._replace(flops=flops_of_step(one, case)))
    return found


class TorchScript(Timed):
    """The program on the flow as a TorchScript file, run by LibTorch."""

    def __init__(self, given: Path | None, directory: Path) -> None:
        super().__init__(given, 1)
        self.directory = directory

    def rate(self, case: Case, draws: int) -> float:
        twin = self.directory / f"{case.flow.stem}.pt"
        if not twin.exists():
            run(
                [str(SCRIPTS / "export_torchscript.py"), "--flow", str(case.flow), "-o", str(twin)],
                os.environ,
            )
        return super().rate(case._replace(flow=twin), draws)


def compare_torchscript(options: Options, directory: Path, one: Timed) -> list[Comparison]:
    moons = Case("moons", FLOWS / "two_moons.h5", 2, "", 1024, 0.05, shipped=True)
    pair = (TorchScript(options.flotilla, directory), one)
    return [
        compare(case, pair, ("TorchScript", "native"), options)
        for case in (moons, *shipped_cases())
    ]


def compare_all(options: Options, directory: Path) -> list[Comparison]:
    torch, one = PyTorch(), Timed(options.flotilla, 1)
    found = []
    for name, case in cases(directory).items():
        if name in options.only or (name == "planar" and "ranks" in options.only):
            case.make_flow()
        if name in options.only:
            found.append(compare(case, (torch, one), ("PyTorch", "flotilla"), options))
    if "ranks" in options.only:
        pair = (one, Timed(options.flotilla, 2))
        planar = cases(directory)["planar"]
        found.append(compare(planar, pair, ("1 rank", "2 ranks"), options))
    if "glow" in options.only:
        for case in shipped_cases():
            comparison = compare(case, (torch, one), ("PyTorch", "flotilla"), options)
            passes = PASSES if case.kernel == "metric-mala" else PASSES / 2
            found.append(comparison._replace(flops=flops_of_step(one, case, passes)))
    if "torchscript" in options.only:
        found += compare_torchscript(options, directory, one)
    if "architectures" in options.only:
        found += compare_architectures(options, directory, torch, one)
    return found


# --- Report -------------------------------------------------------------------------------------


HEADER = ["case", "A, chain-steps/s", "B, chain-steps/s", "B / A"]


def table(comparisons: Sequence[Comparison], markdown: bool) -> list[str]:
    """The comparisons as lines of text, or of a markdown table."""
    rows = [HEADER] + [comparison.row() for comparison in comparisons]
    if any(comparison.flops > 0.0 for comparison in comparisons):
        peak = peak_of_core()
        shares = [c.share(peak) if c.flops > 0.0 else "" for c in comparisons]
        rows = [[*row, share] for row, share in zip(rows, ["B / matrix product", *shares])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]
    if not markdown:
        return ["  ".join(row).rstrip() for row in padded]
    rule = ["-" * (width - 1) + ":" if i else "-" * width for i, width in enumerate(widths)]
    return [f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:])]


def caption(options: Options) -> str:
    return (
        "Metric MALA where nothing else is said, float, one thread a process; medians of "
        f"{options.rounds} rounds of about {options.seconds:g} s each, lowest and highest in "
        "brackets."
    )
