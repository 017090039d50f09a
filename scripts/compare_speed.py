#!/usr/bin/python3
"""Times the program against the same sampling in PyTorch, and two ranks against one.

    compare_speed.py                       three comparisons, a few minutes
    compare_speed.py --markdown --rounds 5 --seconds 20
    compare_speed.py --only planar ranks
    compare_speed.py --only architectures  couplings, splines, MAF and IAF in 8, 64, 512 dimensions
    compare_speed.py --only glow           the Glow of Fashion-MNIST, metric and Euclidean MALA
    compare_speed.py --only torchscript    the program on TorchScript files against itself

Both programs sample the same flow, a random one (random_flow.py) or one of apps/flows, with the same kernel, step size and
precision, one rank and one thread each, in turns: A B A B ...  Each tells its own rate over its
sampling phase, in chain-steps per second (steps times chains over wall time); the table has the
medians over rounds, their ratio and, in brackets, the lowest and the highest round; for
architectures also the program's share of the core's matrix product, measured by flotilla_bench in the
same run.  The program
writes its draws to a file meanwhile; PyTorch (reference_torch.py --time) keeps none.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import h5py

from train_flow import positive

SCRIPTS = Path(__file__).resolve().parent
FLOTILLA = SCRIPTS.parent / "build/release/apps/flotilla/flotilla"
FLOWS = SCRIPTS.parent / "apps/flows"
BENCH = SCRIPTS.parent / "build/release/apps/bench/flotilla_bench"
PASSES = 4
"""Conditioner passes of a step of metric MALA: f, the score, and two Jacobian products."""

SHORTEST_DRAWS = 3
"""Draws of the run by which the length of the others is chosen."""


class ProgramError(RuntimeError):
    """A program that cannot be run or that failed; the message is one sentence for the user."""


# --- Running programs ---------------------------------------------------------------------------


class Flotilla:
    """The program under mpirun, on one machine that may have fewer cores than ranks."""

    def __init__(self, path, ranks, binding="core"):
        self.path, self.ranks = path, ranks
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "OMPI_MCA_hwloc_base_binding_policy": binding,
            # Containers withhold the rights that the default takes; Open MPI would warn.
            "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        }
        if not os.access(path, os.X_OK) or not Path(path).is_file():
            raise ProgramError(
                f"expected the program at {path}, found none: build it with scripts/build, or "
                "say where it is with --flotilla"
            )

    def sample(self, flow, output, options):
        """Runs `flotilla sample`; `options` maps names of options, without dashes, to values."""
        words = ["mpirun", "-n", str(self.ranks), str(self.path), "sample", str(flow)]
        words += ["-o", str(output), "--quiet", *as_words(options)]
        run(words, self.environment)

    def rate(self, case, draws):
        """Chain-steps per second of all ranks together, in the sampling phase."""
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "run.h5"
            self.sample(case.flow, output, {**case.options(draws), "no-latent": True})
            with h5py.File(output, "r") as file:
                return float(file.attrs["chain_steps_per_second"])


class PyTorch:
    """reference_torch.py on one thread, its BLAS free to choose the code for this processor."""

    def __init__(self):
        tuning = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
        kept = {name: value for name, value in os.environ.items() if name not in tuning}
        self.environment = {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def rate(self, case, draws):
        """Chain-steps per second in the sampling phase."""
        words = [str(SCRIPTS / "reference_torch.py"), str(case.flow), "--time", "--threads", "1"]
        printed = run(words + as_words(case.options(draws)), self.environment)
        name, number = printed.splitlines()[-1].split()
        assert name == "chain_steps_per_second"
        return float(number)


def as_words(options):
    """Command-line words of {name: value}; a value of True is a flag, None leaves it out."""
    words = []
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def run(words, environment):
    """What a command printed; its last complaint as an error if it failed."""
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


def complaint(text):
    """The line that says what is wrong: a traceback's last, else the first that is not a rule."""
    lines = [line for line in text.splitlines() if line.strip("- ")] or ["(none)"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


# --- Cases --------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A flow and how it is sampled; `step_size` is about what warm-up finds for it."""

    name: str
    flow: Path
    dim: int
    widths: str
    chains: int
    step_size: float
    kind: str = "affine"
    layers: int = 8
    kernel: str = "metric-mala"
    shipped: bool = False  # the flow is there already
    thin: int = 10
    warmup: int = 10
    """Steps before the timed ones, without adaptation: they bring memory and caches into use."""

    def options(self, draws):
        """Of either program."""
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

    def make_flow(self):
        if self.shipped:
            return
        shape = {"dim": self.dim, "layers": self.layers, "widths": self.widths}
        shape = {**shape, "kind": self.kind, "activation": "tanh"}
        words = [str(SCRIPTS / "random_flow.py"), "-o", str(self.flow)]
        run(words + as_words({**shape, "seed": 1}), os.environ)

    def title(self):
        if self.shipped:
            return f"{self.flow.stem}, {self.kernel}, {self.chains} chains"
        layers = f"{self.layers} {self.kind} layers of {self.widths.replace(',', '-')}"
        return f"dim {self.dim}, {layers}, {self.chains} chains"


def cases(directory):
    planar = Case("planar", directory / "planar.h5", 2, "64,64", 1024, 0.15)
    image = Case("image", directory / "image.h5", 784, "512,512", 256, 0.01)
    return {case.name: case for case in (planar, image)}


def shipped_cases():
    """A Glow on images, with either local move."""
    glow = Case("glow", FLOWS / "fashion_mnist_glow.h5", 784, "", 64, 1e-4, shipped=True, thin=1)
    glow = glow._replace(warmup=2)
    euclidean = glow._replace(name="glow, mala", kernel="mala", step_size=0.02)
    return [glow, euclidean]


ARCHITECTURES = ("affine", "spline", "maf", "iaf")


def architectures(directory):
    """Flows of each kind in 8, 64 and 512 dimensions; maf samples one coordinate after another, iaf
    evaluates densities so."""
    found = []
    for kind in ARCHITECTURES:
        for dim, widths, chains in ((8, "64,64", 512), (64, "256,256", 256), (512, "512,512", 64)):
            path = directory / f"{kind}_{dim}.h5"
            step_size = 0.1 / dim**0.5
            found.append(Case(f"{kind} {dim}", path, dim, widths, chains, step_size, kind, 4, 1, 2))
    return found


# --- Comparing ----------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Rates of two contenders in the same rounds, chain-steps per second."""

    title: str
    names: tuple
    rates: tuple  # of lists, one entry a round
    flops: float = 0.0  # of a chain-step, multiply-adds counted twice; 0 where nobody asks

    def ratio(self):
        """How many times faster the second is."""
        first, second = map(statistics.median, self.rates)
        return second / first

    def row(self):
        cells = (f"{name} {spread(rates)}" for name, rates in zip(self.names, self.rates))
        return [self.title, *cells, f"{self.ratio():.2f}"]

    def share(self, peak):
        """Of the core's matrix product that the second reaches, a percentage."""
        return f"{100.0 * statistics.median(self.rates[1]) * self.flops / peak:.0f} %"


def spread(rates):
    lowest, median, highest = min(rates), statistics.median(rates), max(rates)
    return f"{median:,.0f} ({lowest:,.0f} to {highest:,.0f})"


def compare(case, contenders, names, options):
    """Both contenders in turns, each with as many draws as fill the time."""
    draws = [fitting_draws(contender, case, options.seconds) for contender in contenders]
    rates = ([], [])
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


def fitting_draws(contender, case, seconds):
    steps = contender.rate(case, SHORTEST_DRAWS) * seconds / case.chains
    return max(SHORTEST_DRAWS, round(steps / case.thin))


def peak_of_core():
    """FLOP/s of a matrix product in float on one core, by the bench."""
    printed = run([str(BENCH), "--benchmark_filter=none"], {**os.environ, "OMP_NUM_THREADS": "1"})
    words = next(line for line in printed.splitlines() if line.startswith("float:")).split()
    return float(words[words.index("GFLOP/s") - 1]) * 1e9


def flops_of_step(flotilla, case, passes=PASSES):
    """For each chain; of metric MALA where nobody says another number of passes."""
    printed = run([str(flotilla.path), "flow", "show", str(case.flow)], flotilla.environment)
    line = next(line for line in printed.splitlines() if "multiply-adds" in line)
    return 2.0 * passes * float(line.split()[1])


def compare_architectures(options, directory, torch, one):
    found = []
    for case in architectures(directory):
        case.make_flow()
        comparison = compare(case, (torch, one), ("PyTorch", "flotilla"), options)
        found.append(comparison._replace(flops=flops_of_step(one, case)))
    return found


class TorchScript(Flotilla):
    """The program on the flow as a TorchScript file, run by LibTorch."""

    def __init__(self, path, directory):
        super().__init__(path, 1)
        self.directory = directory

    def rate(self, case, draws):
        twin = self.directory / f"{case.flow.stem}.pt"
        if not twin.exists():
            run([str(SCRIPTS / "export_torchscript.py"), "--flow", str(case.flow), "-o", str(twin)],
                os.environ)
        return super().rate(case._replace(flow=twin), draws)


def compare_torchscript(options, directory, one):
    moons = Case("moons", FLOWS / "two_moons.h5", 2, "", 1024, 0.05, shipped=True)
    pair = (TorchScript(options.flotilla, directory), one)
    return [
        compare(case, pair, ("TorchScript", "native"), options)
        for case in (moons, *shipped_cases())
    ]


def compare_all(options, directory):
    torch, one = PyTorch(), Flotilla(options.flotilla, 1)
    found = []
    for name, case in cases(directory).items():
        if name in options.only or (name == "planar" and "ranks" in options.only):
            case.make_flow()
        if name in options.only:
            found.append(compare(case, (torch, one), ("PyTorch", "flotilla"), options))
    if "ranks" in options.only:
        pair = (one, Flotilla(options.flotilla, 2))
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


def table(comparisons, markdown):
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


def caption(options):
    return (
        f"Metric MALA where nothing else is said, float, one thread a process; medians of {options.rounds} rounds of about "
        f"{options.seconds:g} s each, lowest and highest in brackets."
    )


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    names = ("planar", "image", "ranks", "architectures", "glow", "torchscript")
    add("--flotilla", type=Path, default=FLOTILLA, help="the program (default: the release build)")
    add("--rounds", type=positive(int), default=3, help="(default %(default)s)")
    add("--seconds", type=positive(float), default=10.0, help="of a round (default %(default)g)")
    add("--markdown", action="store_true", help="print the table in markdown")
    add("--only", choices=names, nargs="+", default=names[:3], help="(default the first three)")
    return parser.parse_args(arguments)


def main():
    options = parse()
    try:
        with tempfile.TemporaryDirectory() as directory:
            comparisons = compare_all(options, Path(directory))
    except (ProgramError, ValueError, OSError) as problem:
        sys.exit(f"compare_speed.py: {problem}")
    print("\n".join([*table(comparisons, options.markdown), "", caption(options)]))


if __name__ == "__main__":
    main()
