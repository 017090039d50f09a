# SPDX-License-Identifier: BSD-3-Clause
"""How far acceptance rates are from their target after warm-up, as a markdown table."""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from flotilla_tools.measuring.kernel_panel import TARGETS, Settings, line
from flotilla_tools.plotting.study_tables import StudyTables
from flotilla_tools.program import find_program, one_machine, run

AIMS: Mapping[str, float] = {"mala": 0.574, "metric-mala": 0.574, "ghmc": 0.65}
"""What each kernel is told to aim at."""

SHARE = 0.3
"""Of global moves. They are there so that chains move in; the rates are those of local moves."""

NARROW, WIDE = 32, 256
"""Widths of tiles: the narrow one is for as few chains."""

FEWEST_DRAWS = 64


class Options(argparse.Namespace):
    """What is measured, and how often."""

    flows: list[Path]
    targets: list[str]
    kernels: list[str]
    chains: list[int]
    warmup: list[int]
    repeats: int
    moves: int
    seed: int
    flotilla: Path | None


class Miss(NamedTuple):
    """How far the acceptance rate of one run is from its target."""

    flow: str
    target: str
    kernel: str
    chains: int
    warmup: int
    distance: float  # acceptance rate less its target


# --- Runs ---------------------------------------------------------------------------------------


def varied(options: Options) -> Iterator[Settings]:
    """Settings of a study's list."""
    for kernel, chains in itertools.product(options.kernels, options.chains):
        yield {
            "kernel": kernel,
            "target_accept": AIMS[kernel],
            "chains": chains,
            "draws": max(options.moves // chains, FEWEST_DRAWS),
            "tile_width": NARROW if chains <= NARROW else WIDE,
        }


def study_text(flow: Path, target: str, options: Options) -> str:
    """A study of one flow and one target."""
    rows = list(varied(options))
    sample = {"flow": str(flow.resolve()), "global_fraction": SHARE, "latent": False}
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    seeds = list(range(options.seed, options.seed + options.repeats))
    parts: Sequence[tuple[str, Settings]] = (
        ("", {"seeds": seeds}),
        ("[sample]", {**sample, **TARGETS[target]}),
        ("[list]", columns),
        ("[grid]", {"warmup": options.warmup}),
    )
    lines: list[str] = []
    for head, settings in parts:
        # Texts, numbers, truths and lists are written alike in TOML and in JSON.
        lines += [head, *(f"{name} = {json.dumps(value)}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"


def misses_of(flow: Path, target: str, program: Path, options: Options) -> Iterator[Miss]:
    """Makes a study and reads what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        toml, output = Path(folder) / "adaptation.toml", Path(folder) / "adaptation.h5"
        toml.write_text(study_text(flow, target, options), encoding="utf-8")
        words = [str(program), "study", str(toml), "-o", str(output), "--quiet"]
        run(words, one_machine("none"))
        runs = StudyTables(output).runs
    names = ("kernel", "chains", "warmup", "acceptance_rate")
    for kernel, chains, warmup, rate in zip(*(runs[name] for name in names)):
        distance = float(rate) - AIMS[str(kernel)]
        yield Miss(flow.stem, target, str(kernel), int(chains), int(warmup), distance)


def measure(options: Options) -> list[Miss]:
    program = find_program(options.flotilla)
    found: list[Miss] = []
    for flow, target in itertools.product(options.flows, options.targets):
        print(f"measuring {flow.stem}, {target}", file=sys.stderr, flush=True)
        found += misses_of(flow, target, program, options)
    return found


# --- The table ----------------------------------------------------------------------------------


def cell(found: Sequence[Miss]) -> str:
    """The root mean square of all, and the flow and target whose mean is farthest from 0."""
    means: dict[tuple[str, str], float] = {}
    for key in {(one.flow, one.target) for one in found}:
        distances = [one.distance for one in found if (one.flow, one.target) == key]
        means[key] = float(np.mean(distances))
    farthest = max(sorted(means), key=lambda key: abs(means[key]))
    rms = float(np.sqrt(np.mean([one.distance**2 for one in found])))
    return f"{rms:.3f} ({means[farthest]:+.3f} {', '.join(farthest)})"


def table(found: Sequence[Miss], options: Options) -> list[str]:
    head = ["kernel", "chains", *(f"after {warmup} steps" for warmup in options.warmup)]
    lines = [line(head), line(["---"] * len(head))]
    for kernel, chains in itertools.product(options.kernels, options.chains):
        row = [one for one in found if (one.kernel, one.chains) == (kernel, chains)]
        columns = [[one for one in row if one.warmup == warmup] for warmup in options.warmup]
        lines.append(line([kernel, str(chains), *map(cell, columns)]))
    return lines


def caption(options: Options) -> str:
    aims = ", ".join(f"{AIMS[kernel]} for {kernel}" for kernel in options.kernels)
    return (
        "Acceptance rate of local moves less its target: the root mean square over flows, targets "
        "and seeds; in brackets the flow and target whose mean over seeds is farthest. "
        f"Flows: {', '.join(flow.stem for flow in options.flows)}; {', '.join(options.targets)}. "
        f"Aims: {aims}. Seeds: {options.repeats}. Share of global moves: {SHARE}. Steps to measure "
        f"a rate: {options.moves} of all chains together, at least {FEWEST_DRAWS} of each."
    )
