# SPDX-License-Identifier: BSD-3-Clause
"""Options that several scripts share, a row each. A script may change parts of a row."""

import argparse
from pathlib import Path
from typing import Any, Mapping

from flotilla_tools.starting import positive, probability

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--activation": {"help": "of hidden layers (default %(default)s)"},
    "--batch-size": {
        "type": positive(int),
        "help": "draws or images of a step of the optimiser (default %(default)s)",
    },
    "--chains": {"type": positive(int), "help": "of a run, on all ranks (default %(default)s)"},
    "--context": {"default": "", "help": "numbers that a conditional flow is told, as in 0.5,-1"},
    "--draws": {"type": positive(int), "help": "kept of each chain (default %(default)s)"},
    "--exchange-every": {
        "type": positive(int),
        "help": "steps of warm-up between updates of the step size (default %(default)s)",
    },
    "--flotilla": {
        "type": Path,
        "metavar": "PROGRAM",
        "help": "the program (default: built in this clone, installed, or on PATH)",
    },
    "--global-fraction": {
        "type": probability,
        "default": 0.1,
        "help": "probability of a global move z' ~ q_Z (default %(default)s)",
    },
    "--learning-rate": {
        "type": positive(float),
        "default": 1e-3,
        "help": "of Adam, at its highest (default %(default)s)",
    },
    "--ranks": {"type": positive(int), "default": 2, "help": "of a run (default %(default)s)"},
    "--repeats": {
        "type": positive(int),
        "default": 1,
        "help": "runs of each setting, with seeds that follow each other (default %(default)s)",
    },
    "--resume": {"action": "store_true", "help": "go on from the checkpoint OUTPUT.checkpoint"},
    "--seed": {"type": int, "default": 1, "help": "of the random numbers (default %(default)s)"},
    "--thin": {
        "type": positive(int),
        "help": "steps from one draw to the next (default %(default)s)",
    },
    "--threads": {"type": positive(int), "default": 1, "help": "of PyTorch (default %(default)s)"},
    "--warmup": {"type": positive(int), "help": "steps of warm-up (default %(default)s)"},
}


def add_common(parser: argparse.ArgumentParser, **changes: Mapping[str, Any]) -> None:
    """Adds rows of the table by name, with changed parts as in exchange_every={"default": 10}."""
    for name, change in changes.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, **{**OPTIONS[option], **change})
