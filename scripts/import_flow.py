#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Turns a flow trained with nflows, normflows, zuko or FrEIA into a flow file.

Where the library is installed, from a function that makes the model:

    import_flow.py --model mine.py:make_flow --state-dict trained.pt -o mine.h5

Anywhere else, from its state dict and a description, with golden values that were computed where
the library is:

    import_flow.py --description mine.json --state-dict trained.pt --golden mine.npz -o mine.h5

The first form writes what the second one needs with --save-description and --save-golden.  A
description has the classes of the layers and what their weights do not tell:

    {"library": "nflows", "base": {"class": "StandardNormal"}, "layers": [
      {"class": "ReversePermutation"},
      {"class": "MaskedAffineAutoregressiveTransform", "activation": "relu", "scale": "softplus"}]}

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
from flotilla_tools.importing.conversion import Imported, from_description, from_model, write
from flotilla_tools.torch_flows.computing import set_threads


class Options(argparse.Namespace):
    output: Path
    model: str | None
    description: Path
    state_dict: Path
    golden: Path | None
    save_description: Path | None
    save_golden: Path | None


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--model", metavar="FILE.py:FUNCTION", help="makes the model, its library installed")
    add("--description", type=Path, help="JSON: the layers of the model, its library missing")
    add("--state-dict", type=Path, help="trained weights, by torch.save(model.state_dict())")
    add("--golden", type=Path, help="golden values by the original library (--save-golden)")
    add("--save-description", type=Path, help="with --model: write the description here")
    add("--save-golden", type=Path, help="with --model: write the golden values here, NPZ")
    options = parser.parse_args(arguments, namespace=Options())
    if (options.model is None) == (options.description is None):
        parser.error("expected either --model or --description")
    if options.description and not options.state_dict:
        parser.error("expected --state-dict with --description, found none")
    return options


def save(options: Options, imported: Imported) -> None:
    """Writes the files for an import elsewhere."""
    if options.save_description:
        text = json.dumps(imported.description, indent=1)
        options.save_description.write_text(text + "\n", encoding="utf-8")
    if options.save_golden:
        np.savez_compressed(options.save_golden, **imported.golden)


def convert(options: Options) -> None:
    set_threads(1)
    if options.model:
        imported = from_model(options.model, options.state_dict)
        save(options, imported)
    else:
        imported = from_description(options.description, options.state_dict, options.golden)
    library, contents, golden, _ = imported
    write(options.output, contents, golden, {"imported_from": library})
    print(f"{options.output}: dim {contents.dim}, {len(contents.records)} layers, from {library}")
    if not golden:
        print("without golden values (--golden): flotilla flow verify cannot prove the conversion")


if __name__ == "__main__":
    starting.run(parse, convert)
