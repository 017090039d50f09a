#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Turns a flow trained with nflows, normflows, zuko, FrEIA or sbi into a flow file.

What is in a checkpoint, and what else is needed to convert it:

    import_flow.py trained.pt

Where the library is installed, from a function that makes the model:

    import_flow.py trained.pt --model mine.py:make_flow -o mine.h5

or from a whole pickled model or posterior, if you trust the code that it names:

    import_flow.py posterior.pkl --trust -o mine.h5

Anywhere else, from its weights and a description, with golden values that were computed where the
library is:

    import_flow.py trained.pt --description mine.json --golden mine.npz -o mine.h5

The second form writes what the last one needs with --save-description and --save-golden.  A
description has the classes of the layers and what their weights do not tell:

    {"library": "nflows", "base": {"class": "StandardNormal"}, "layers": [
      {"class": "ReversePermutation"},
      {"class": "MaskedAffineAutoregressiveTransform", "activation": "relu", "scale": "softplus"}]}

Checkpoints are taken as they are saved: in dictionaries, with prefixes, by Lightning, in half
precision, from a GPU, as safetensors.  What was unwrapped is said; of several parts that fit,
--part chooses one.  No code of a file runs without --trust.

A conditional flow keeps its context, for --context of the program; with --context here it is fixed
at that observation, and a network that embeds the observation is evaluated once.

Golden values always come from the original library, in double precision: `flotilla flow verify`
then proves the conversion.  This script compares the converted flow with them too.  A layer that
flow files do not have is an error that names it: nothing is left out or approximated.

From Python, with scripts/ on PYTHONPATH:

    from flotilla_tools.importing.conversion import export_flow
    export_flow(model, "mine.h5")
"""

import argparse
import json
from pathlib import Path

import numpy as np

from flotilla_tools import starting
from flotilla_tools.arrays import Array, expect_directory
from flotilla_tools.errors import InputError
from flotilla_tools.importing import checkpoints, conversion, first_look
from flotilla_tools.importing.conversion import Imported, from_description, from_model, from_pickle
from flotilla_tools.importing.networks import ConversionError
from flotilla_tools.torch_flows.computing import set_threads


class Options(argparse.Namespace):
    checkpoint: Path | None
    output: Path | None
    model: str | None
    description: Path | None
    state_dict: Path | None
    part: str
    trust: bool
    context: str
    golden: Path | None
    save_description: Path | None
    save_golden: Path | None


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("checkpoint", type=Path, nargs="?", metavar="FILE", help="trained weights; alone: look at")
    add("-o", "--output", type=Path, help="flow file to write")
    add("--model", metavar="FILE.py:FUNCTION", help="makes the model, its library installed")
    add("--description", type=Path, help="JSON: the layers of the model, its library missing")
    add("--state-dict", type=Path, metavar="FILE", help="the same as FILE")
    add("--part", default="", help="the part of FILE that is the flow, as in state_dict:flow.")
    add("--trust", action="store_true", help="run the code that a pickled model names")
    add("--context", default="", help="fix a conditional flow here: 0.5,-1 or X_O.npy")
    add("--golden", type=Path, help="golden values by the original library (--save-golden)")
    add("--save-description", type=Path, help="with --model: write the description here")
    add("--save-golden", type=Path, help="with --model: write the golden values here, NPZ")
    options = parser.parse_args(arguments, namespace=Options())
    if options.checkpoint and options.state_dict:
        parser.error("expected weights once, found FILE and --state-dict")
    options.checkpoint = options.checkpoint or options.state_dict
    if options.model and options.description:
        parser.error("expected either --model or --description, found both")
    if options.description and not options.checkpoint:
        parser.error("expected the weights, FILE, with --description, found none")
    if options.description and options.context:
        parser.error("expected --context with a live model; a description has its own")
    if not options.model and not options.checkpoint:
        parser.error("expected a checkpoint or --model, found neither")
    if not options.output and (options.model or options.description or options.trust):
        parser.error("expected -o, found none: a conversion writes a flow file")
    return options


def save(options: Options, imported: Imported) -> None:
    """Writes the files for an import elsewhere."""
    if options.save_description:
        text = json.dumps(imported.description, indent=1)
        options.save_description.write_text(text + "\n", encoding="utf-8")
    if options.save_golden:
        np.savez_compressed(options.save_golden, **imported.golden)


def context_of(text: str) -> Array | None:
    """The numbers of --context, or of the .npy file that it names; None without any."""
    if not text:
        return None
    try:
        if text.endswith(".npy"):
            return np.load(text, allow_pickle=False).astype(np.float64).reshape(-1)
        return np.array([float(word) for word in text.split(",")])
    except ValueError:
        raise InputError(f"expected --context 0.5,-1 or FILE.npy, found '{text}'") from None


def imported_by(options: Options) -> Imported:
    """The converted flow, by the way that the options choose."""
    context = context_of(options.context)
    if options.model:
        return from_model(options.model, options.checkpoint, options.part, context)
    if options.checkpoint is None:
        raise InputError("expected a checkpoint, found none")
    if options.description:
        return from_description(
            options.description, options.checkpoint, options.golden, options.part
        )
    if options.trust:
        return from_pickle(options.checkpoint, options.part, context)
    raise ConversionError(
        f"{options.checkpoint}: expected --model or --description with -o, or --trust for a whole "
        f"pickled model, found none; next: import_flow.py {options.checkpoint}"
    )


def other_way(options: Options) -> str:
    """What to try with a model or a description that does not become a flow file."""
    weights = f" --state-dict {options.checkpoint}" if options.checkpoint else ""
    anew = "have the description written where the library is, with --save-description; or "
    return (
        f"next: {anew if options.description else ''}TorchScript, which takes any module with "
        "forward(z) -> (x, log_det) and inverse(x) -> (z, log_det): export_torchscript.py --model "
        f"{options.model or 'mine.py:make_flow'}{weights} --dim D -o mine.pt"
    )


def convert(options: Options) -> None:
    set_threads(1)
    if not options.output:
        if options.checkpoint is not None:
            found = checkpoints.read(options.checkpoint)
            print("\n".join(first_look.report(options.checkpoint, found, options.part)))
        return
    expect_directory(options.output)
    try:
        imported = imported_by(options)
        save(options, imported)
        library, contents, golden, _, notes = imported
        facts = {"imported_from": library, **({"notes": " | ".join(notes)} if notes else {})}
        notes = notes + conversion.write(options.output, contents, golden, facts)
    except InputError as problem:
        text = str(problem)
        step = "" if "; next: " in text else f"; {other_way(options)}"
        raise ConversionError(f"{text}{step}") from None
    for note in notes:
        print(f"note: {note}")
    print(f"{options.output}: dim {contents.dim}, {len(contents.records)} layers, from {library}")
    if not golden:
        print("without golden values (--golden): flotilla flow verify cannot prove the conversion")


if __name__ == "__main__":
    starting.run(parse, convert)
