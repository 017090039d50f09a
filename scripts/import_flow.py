#!/usr/bin/python3
"""Turns a flow trained with nflows, normflows or zuko into a flow file.

Where the library is installed, from a function that makes the model:

    import_flow.py --model mine.py:make_flow --state-dict trained.pt -o mine.h5

Anywhere else, from its state dict and a description, with golden values that were computed where the
library is:

    import_flow.py --description mine.json --state-dict trained.pt --golden mine.npz -o mine.h5

The first form writes what the second one needs with --save-description and --save-golden.  A
description has the classes of the layers and what their weights do not tell:

    {"library": "nflows", "base": {"class": "StandardNormal"}, "layers": [
      {"class": "ReversePermutation"},
      {"class": "MaskedAffineAutoregressiveTransform", "activation": "relu", "scale": "softplus"}]}

Golden values always come from the original library, in double precision: `flotilla flow verify` then
proves the conversion.  The converted flow is compared with them here already.  A layer that flow files
do not have is named; nothing is left out or approximated.

From Python, export_flow(model, "mine.h5") does the same.
"""

import argparse
import copy
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import import_nflows
import import_normflows
import import_zuko
from flow_bases import BASES
from flow_conditioners import FlowFileError, LayerRecord
from flow_torch import FlowContents, flow_from_contents, golden_values, write_flow_file
from import_networks import ConversionError, State
from threads import set_threads

LIBRARIES = {"nflows": import_nflows, "normflows": import_normflows, "zuko": import_zuko}

LARGEST_DEVIATION = 1e-9
"""|found - golden| / max(1, |golden|) of a conversion that is believed."""


# --- Conversion ---------------------------------------------------------------------------------


def library_of(model):
    """The name of the library that a model's class, or one it derives from, comes from."""
    for kind in type(model).__mro__:
        name = kind.__module__.split(".")[0]
        if name in LIBRARIES:
            return name
    raise ConversionError(
        f"expected a model of {', '.join(LIBRARIES)}, found a {type(model).__module__}."
        f"{type(model).__name__}"
    )


def describe(model):
    """The description of a live model, ready for JSON."""
    return LIBRARIES[library_of(model)].describe(model)


def convert(description, state_dict):
    """The FlowContents of a description and a state dict, in double precision."""
    library = description.get("library")
    if library not in LIBRARIES:
        raise ConversionError(
            f"expected a description whose library is one of {', '.join(LIBRARIES)}, found {library}"
        )
    for name in ("base", "layers"):
        if name not in description:
            raise ConversionError(f"expected '{name}' in the description, found none")
    state = State(state_dict)
    dim, context_dim, base, records = LIBRARIES[library].convert(description, state)
    if state.left():
        raise ConversionError(
            f"expected every entry of the state dict to be described, found {len(state.left())} that "
            f"are not: {', '.join(state.left()[:5])}"
        )
    if not records:
        records = [LayerRecord("permutation", {}, {"indices": np.arange(dim)})]
    return FlowContents(dim, context_dim, _simplest(base), records)


def _simplest(base):
    """A diagonal normal at zero of unit scale is the standard one."""
    if base.type != "diagonal_normal":
        return base
    if "context_loc" in base.arrays:
        return base
    if np.all(base.arrays["loc"] == 0.0) and np.all(base.arrays["scale"] == 1.0):
        return LayerRecord("standard_normal", {}, {})
    return base


# --- Golden values ------------------------------------------------------------------------------


class Original(nn.Module):
    """A live model behind the interface of a Flow: what golden values are computed from."""

    def __init__(self, model, contents):
        super().__init__()
        self.model = model
        self.dim, self.context_dim = contents.dim, contents.context_dim
        self.base = _OriginalBase(model, contents)
        self.context = None

    def at_context(self, context):
        self.context = torch.as_tensor(context, dtype=torch.float64)
        self.base.context = self.context
        return self

    def forward(self, z):
        context = None if self.context is None else self.context.expand(len(z), -1)
        return LIBRARIES[library_of(self.model)].sampling_map(self.model, z, context)


class _OriginalBase(nn.Module):
    """The original's log density, at draws of the converted base."""

    def __init__(self, model, contents):
        super().__init__()
        self.model = model
        self.draws = BASES[contents.base.type].from_record(contents.base, contents.dim).double()
        self.draws.context = torch.zeros(contents.context_dim, dtype=torch.float64)
        self.context = None

    def sample(self, draws, generator, dtype):
        return self.draws.sample(draws, generator, dtype)

    def log_density(self, z):
        library = LIBRARIES[library_of(self.model)]
        context = None if self.context is None else self.context.expand(len(z), -1)
        return library.base_log_density(self.model, z, context) + 0.0 * z.sum(dim=1)


def golden_of(model, contents):
    """Golden values of a live model, by its own library in double precision."""
    model = copy.deepcopy(model).double().eval().requires_grad_(False)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of what the library makes of Python's numbers
    try:
        return golden_values(Original(model, contents))
    finally:
        torch.set_default_dtype(usual)


def deviation(contents, golden):
    """How far the converted flow, in PyTorch, is from golden values: the largest of all kinds."""
    flow = flow_from_contents(contents, "the conversion").double().requires_grad_(False).eval()
    if contents.context_dim > 0:
        flow.at_context(golden["context"])
    z, tangent = (torch.from_numpy(np.asarray(golden[name])) for name in ("z", "tangent"))
    (x, log_det), (jvp, _) = torch.autograd.functional.jvp(flow, z, tangent)
    found = {"x": x, "log_det": log_det, "jvp": jvp, "base_log_density": flow.base.log_density(z)}
    return max(
        float(np.max(np.abs(value.numpy() - golden[name]) / np.maximum(1.0, np.abs(golden[name]))))
        for name, value in found.items()
    )


# --- Files --------------------------------------------------------------------------------------


def write(path, contents, golden, provenance):
    """A flow file of converted contents, once they have reproduced their golden values."""
    if golden:
        distance = deviation(contents, golden)
        if not distance <= LARGEST_DEVIATION:
            raise ConversionError(
                f"expected the converted flow to reproduce the original's golden values to "
                f"{LARGEST_DEVIATION:g}, found a deviation of {distance:.1e}: the description does "
                "not fit the model, or another version of the library computes something else"
            )
    write_flow_file(path, contents, golden, provenance)


def export_flow(model, path, provenance=None):
    """Writes a live model of nflows, normflows or zuko as a flow file."""
    model = copy.deepcopy(model).cpu().eval()
    contents = convert(describe(model), model.state_dict())
    facts = {"imported_from": library_of(model), **(provenance or {})}
    write(path, contents, golden_of(model, contents), facts)


def load_model(location):
    """What the function of "FILE.py:function" returns."""
    path, _, name = location.partition(":")
    if not name or not Path(path).is_file():
        raise ConversionError(f"expected --model FILE.py:function, found '{location}'")
    spec = importlib.util.spec_from_file_location("model", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)()
    except (ImportError, AttributeError) as problem:
        raise ConversionError(f"--model {location}: {problem}") from None


def load_state_dict(path):
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # torch has no type of its own for this, and its advice is to trust the file
        raise ConversionError(
            f"{path}: expected a state dict, torch.save(model.state_dict(), ...), found another file"
        ) from None
    if not isinstance(found, dict) or not all(torch.is_tensor(v) for v in found.values()):
        raise ConversionError(f"{path}: expected a state dict of tensors, found something else")
    return found


def load_description(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ConversionError(f"{path}: expected JSON, found: {problem}") from None


def from_model(options):
    """(contents, golden) by the installed library."""
    model = load_model(options.model)
    if options.state_dict:
        model.load_state_dict(load_state_dict(options.state_dict))
    model = model.cpu().eval()
    description = describe(model)
    contents = convert(description, model.state_dict())
    golden = golden_of(model, contents)
    if options.save_description:
        text = json.dumps(description, indent=1)
        options.save_description.write_text(text + "\n", encoding="utf-8")
    if options.save_golden:
        np.savez_compressed(options.save_golden, **golden)
    return description["library"], contents, golden


def from_description(options):
    """(contents, golden) without the library."""
    description = load_description(options.description)
    contents = convert(description, load_state_dict(options.state_dict))
    golden = {}
    if options.golden:
        with np.load(options.golden) as file:
            golden = {name: file[name] for name in file.files}
    return description["library"], contents, golden


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--model", metavar="FILE.py:FUNCTION", help="makes the model, its library installed")
    add("--description", type=Path, help="JSON: the layers of the model, its library missing")
    add("--state-dict", type=Path, help="trained weights, by torch.save(model.state_dict())")
    add("--golden", type=Path, help="golden values by the original library (--save-golden)")
    add("--save-description", type=Path, help="with --model: write the description here")
    add("--save-golden", type=Path, help="with --model: write the golden values here, NPZ")
    options = parser.parse_args(arguments)
    if (options.model is None) == (options.description is None):
        parser.error("expected either --model or --description")
    if options.description and not options.state_dict:
        parser.error("expected --state-dict with --description, found none")
    return options


def main():
    options = parse()
    set_threads(1)
    try:
        library, contents, golden = (from_model if options.model else from_description)(options)
        write(options.output, contents, golden, {"imported_from": library})
    except (ConversionError, FlowFileError, OSError, KeyError) as problem:
        sys.exit(f"import_flow.py: {problem}")
    print(f"{options.output}: dim {contents.dim}, {len(contents.records)} layers, from {library}")
    if not golden:
        print("without golden values (--golden): flotilla flow verify cannot prove the conversion")


if __name__ == "__main__":
    main()
