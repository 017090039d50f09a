# SPDX-License-Identifier: BSD-3-Clause
"""A flow refined on a density: run, train on the draws, run again, as long as it pays."""

import argparse
import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

import matplotlib.pyplot as plt

from flotilla_tools.errors import InputError
from flotilla_tools.plotting.style import CHAINS, STYLE
from flotilla_tools.program import Flotilla, run
from flotilla_tools.training import real_nvp


class Options(argparse.Namespace):
    """What is sampled, and how the flow is trained between runs."""

    density: str
    density_args: str | None
    target: str
    dim: int | None
    flow: Path | None
    output: Path
    rounds: int
    growth: float
    chains: int
    warmup: int
    draws: int
    final_draws: int | None
    ranks: int
    flotilla: Path | None
    layers: int
    width: int
    max_epochs: int
    max_minutes: float
    train_size: int
    patience: int
    learning_rate: float
    batch_size: int
    seed: int
    threads: int


class Round(NamedTuple):
    """A run with one flow, and what it gave."""

    name: str
    flow: Path
    run: Path
    rhat: float
    ess: float  # smallest of bulk and tail, over all quantities
    per_second: float  # ESS per second of sampling
    per_gradient: float  # ESS per gradient
    acceptance: float  # of local moves
    global_acceptance: float

    @property
    def worth(self) -> float:
        """ESS per second; 0 where it is not defined."""
        return self.per_second if self.per_second > 0 else 0.0


# --- Rounds -------------------------------------------------------------------------------------


def refine(options: Options) -> list[Round]:
    """Makes the rounds, and last the final run; prints a row of the table after each."""
    prepare(options)
    flotilla = Flotilla(options.flotilla, options.ranks, binding="none")
    flow = first_flow(flotilla, options)
    rounds: list[Round] = []
    print(header(), flush=True)
    while True:
        found = make_round(flotilla, flow, rounds, options)
        rounds.append(found)
        print(line(cells(found, rounds[0])), flush=True)
        if len(rounds) > options.rounds or not still_grows(rounds, options.growth):
            break
        flow = train(found, options)
    best = max(rounds, key=lambda one: one.worth)
    shutil.copyfile(best.flow, options.output / "flow.h5")
    final = final_round(flotilla, best, options)
    print(line(cells(final, rounds[0])))
    draw([*rounds, final], options.output / "rounds.png")
    print(f"\n{caption(best, options)}")
    return [*rounds, final]


def prepare(options: Options) -> None:
    """Refuses what cannot be done, before anything is computed."""
    if (options.dim is None) == (options.flow is None):
        raise InputError("expected one of --dim and --flow, found both or neither: choose")
    if options.dim is not None and options.dim < 2:
        raise InputError(f"expected a density of 2 coordinates or more, found --dim {options.dim}")
    options.output.mkdir(parents=True, exist_ok=True)
    if any(options.output.iterdir()):
        raise InputError(
            f"expected an empty folder {options.output}, found files in it: name another"
        )


def first_flow(flotilla: Flotilla, options: Options) -> Path:
    """The given flow, or one that has learnt nothing."""
    if options.flow is not None:
        return options.flow
    path = options.output / "flow_0.h5"
    words = [str(flotilla.path), "flow", "identity", "--dim", str(options.dim), "-o", str(path)]
    run(words, flotilla.environment)
    return path


def make_round(flotilla: Flotilla, flow: Path, before: Sequence[Round], options: Options) -> Round:
    """A run of the flow. After the first it starts where the run before it ended."""
    number = len(before)
    path = options.output / f"run_{number}.h5"
    start = {"start": before[-1].run} if before else {}
    sample(flotilla, flow, path, options, {"draws": options.draws, "seed": options.seed, **start})
    return measured(flotilla, str(number), flow, path)


def final_round(flotilla: Flotilla, best: Round, options: Options) -> Round:
    """A run with a seed of its own that starts where the best one ended; its flow stays as it is,
    so that its draws are exact."""
    path = options.output / "run.h5"
    own = {"draws": options.final_draws or options.draws, "seed": options.seed + 1}
    sample(flotilla, options.output / "flow.h5", path, options, {**own, "start": best.run})
    return measured(flotilla, f"final (flow of {best.name})", options.output / "flow.h5", path)


def sample(
    flotilla: Flotilla, flow: Path, path: Path, options: Options, own: Mapping[str, Any]
) -> None:
    words = {
        "target": options.target,
        "density": options.density,
        "density-args": options.density_args,
        "chains": options.chains,
        "warmup": options.warmup,
        "report-every": 0,
    }
    flotilla.sample(flow, path, {**words, **own})


def measured(flotilla: Flotilla, name: str, flow: Path, path: Path) -> Round:
    """What `flotilla summary` says of a run."""
    words = [str(flotilla.path), "summary", str(path), "--json"]
    found = json.loads(run(words, flotilla.environment))
    sampling, constant = found["sampling"], found["constant"]
    worst = [number(one["rhat"]) for one in found["quantities"] if one["name"] not in constant]
    per_second = number(sampling["ess_per_second"])
    return Round(
        name,
        flow,
        path,
        max(worst) if all(value == value for value in worst) else float("nan"),
        per_second * number(sampling["sampling_seconds"]),
        per_second,
        number(sampling["ess_per_gradient"]),
        number(sampling["acceptance_rate"]),
        number(sampling["global_acceptance_rate"]),
    )


def number(value: Any) -> float:
    """A number of JSON, in which what is not defined is null."""
    return float("nan") if value is None else float(value)


def still_grows(rounds: Sequence[Round], growth: float) -> bool:
    """Whether the last round has at least `growth` times the ESS per second of the best before it.
    The first round has nothing before it."""
    if len(rounds) == 1:
        return True
    return rounds[-1].worth >= growth * max(one.worth for one in rounds[:-1])


def train(last: Round, options: Options) -> Path:
    """Trains a flow on the draws of a run, as they are."""
    path = options.output / f"flow_{int(last.name) + 1}.h5"
    print(f"training {path.name} on {last.run.name}", file=sys.stderr, flush=True)
    own = real_nvp.Options(
        **{
            **{name: getattr(options, name) for name in TRAINING},
            "dataset": str(last.run),
            "output": path,
            "depth": 2,
            "activation": "tanh",
            "train_size": train_size(options),
            "held_out_size": None,
            "noise": None,
            "resume": False,
        }
    )
    with contextlib.redirect_stdout(sys.stderr):  # the epochs; standard output has the table
        real_nvp.train(own)
    return path


TRAINING = (
    "layers",
    "width",
    "max_epochs",
    "max_minutes",
    "patience",
    "learning_rate",
    "batch_size",
    "seed",
    "threads",
)
"""Options that go to the training as they are."""


def train_size(options: Options) -> int:
    """Draws that a flow is trained on: at most those that are not held out."""
    draws = options.chains * options.draws
    return min(options.train_size, draws - max(1, draws // 10))


# --- What it shows ------------------------------------------------------------------------------


HEADER = (
    "round",
    "R-hat",
    "ESS",
    "ESS per second",
    "ESS per gradient",
    "local moves accepted",
    "global moves accepted",
    "gain",
)


def cells(found: Round, first: Round) -> tuple[str, ...]:
    return (
        found.name,
        f"{found.rhat:.3f}",
        f"{found.ess:.4g}",
        f"{found.per_second:.4g}",
        f"{found.per_gradient:.4f}",
        f"{found.acceptance:.2f}",
        f"{found.global_acceptance:.2f}",
        f"{found.per_second / first.per_second:.1f}",
    )


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def header() -> str:
    return "\n".join((line(HEADER), line(["---"] * len(HEADER))))


def caption(best: Round, options: Options) -> str:
    return (
        f"{options.output}/run.h5: draws of the density with {best.flow.name}, kept as flow.h5. "
        "ESS is the smallest of bulk and tail; gain is in ESS per second, over round 0."
    )


def draw(rounds: Sequence[Round], path: Path) -> None:
    """ESS per second and per gradient of the rounds."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
    names = [one.name.split()[0] for one in rounds]
    shown = ((one.per_second for one in rounds), (one.per_gradient for one in rounds))
    for panel, values, label in zip(axes, shown, ("ESS per second", "ESS per gradient")):
        panel.plot(names, list(values), marker="o", markersize=4, color=CHAINS[0])
        panel.set_yscale("log")
        panel.set_xlabel("round")
        panel.set_ylabel(label)
    figure.savefig(path)
    plt.close(figure)
