# SPDX-License-Identifier: BSD-3-Clause
"""Makes and reads what a conversion needs: models by a user's function, weights in checkpoints,
descriptions, golden values.  Whatever they fail with is one sentence that says what to do next.
"""

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from flotilla_tools.arrays import Array
from flotilla_tools.errors import one_line
from flotilla_tools.importing import checkpoints, first_look, sbi
from flotilla_tools.importing.checkpoints import Entries, Weights
from flotilla_tools.importing.networks import ConversionError, foreign_code


def load_model(location: str) -> Any:
    """The result of the function in "FILE.py:function", or the module of that name."""
    path, _, name = location.partition(":")
    expected = f"expected --model FILE.py:FUNCTION, found '{location}'"
    if not name or not Path(path).is_file():
        raise ConversionError(f"{expected}; next: write a function that makes the model")
    spec = importlib.util.spec_from_file_location("model", path)
    if spec is None or spec.loader is None:
        raise ConversionError(f"{expected}; next: give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["model"] = module  # pickles and dataclasses look a class up by its module
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        with foreign_code(f"--model {location}"):
            spec.loader.exec_module(module)
        if not hasattr(module, name):
            raise ConversionError(f"{expected}, and {path} has no {name}; next: name one it has")
        return made_by(getattr(module, name), location)
    except SystemExit as end:
        raise ConversionError(
            f"--model {location}: its file ends the program ({end}); next: put what it does below "
            "if __name__ == '__main__'"
        ) from None


def made_by(function: Any, location: str) -> Any:
    """What a function without arguments makes; a module as it is."""
    if isinstance(function, nn.Module) or sbi.is_of_sbi(function):
        return function
    if not callable(function):
        raise ConversionError(
            f"--model {location}: expected a function, found a {type(function).__name__}; next: "
            "name a function that makes the model"
        )
    try:
        wanted = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
    except (ValueError, TypeError):
        wanted = []
    if wanted:
        name = location.partition(":")[2]
        values = ", ".join(f"{word}=..." for word in wanted)
        raise ConversionError(
            f"--model {location}: expected a function without arguments, found one that wants "
            f"{', '.join(wanted)}; next: write def make_flow(): return {name}({values})"
        )
    with foreign_code(f"--model {location}: the function failed"):
        return function()


def load_weights(model: Any, path: Path, part: str = "") -> list[str]:
    """Loads the weights of a checkpoint into a model; says what of the file they were.

    @param part  as --part has it
    """
    if not isinstance(model, nn.Module):
        raise ConversionError(
            f"expected a torch.nn.Module with weights in a file, found a {type(model).__name__}; "
            "next: return the module that was trained"
        )
    weights = _fitting(model, checkpoints.read(path), path, part)
    own = list(model.state_dict())
    words = dict(zip(checkpoints.compiled_away(model.state_dict()), own))
    entries = {words.get(name, name): value for name, value in weights.entries.items()}
    try:
        model.load_state_dict(entries)
    except Exception as problem:  # of torch, and of the model's own hooks
        raise ConversionError(
            f"{path}: expected weights of the model, found: {one_line(problem)[:300]}; next: give "
            "the sizes with which it was trained in the function that makes it"
        ) from None
    return checkpoints.notes_on(weights)


def _fitting(model: nn.Module, found: Any, path: Path, part: str) -> Weights:
    """The part of a file that has the entries of a model; refuses with what is missing."""
    if part:
        return checkpoints.named(found, part, path)
    wanted = set(checkpoints.compiled_away(dict(model.state_dict())))
    if checkpoints.candidates(found, lambda entries: set(entries) == wanted):
        return checkpoints.the_one(found, lambda entries: set(entries) == wanted, "the model", path)
    near = checkpoints.candidates(found, lambda entries: bool(wanted & set(entries)))
    if not near:
        return checkpoints.the_one(found, lambda entries: False, "weights of the model", path)
    best = max(near, key=lambda one: len(wanted & set(one.entries)))
    raise ConversionError(f"{path}: expected weights of the model, {_mismatch(wanted, best)}")


def _mismatch(wanted: set[str], found: Weights) -> str:
    """What a model has and a part of a file has not, and the other way round."""
    missing, more = sorted(wanted - set(found.entries)), sorted(set(found.entries) - wanted)
    seen = first_look.look(found.entries)
    library = f" (its entries are of {seen.library} {seen.version})" if seen else ""
    parts = []
    for names, words in ((missing, "lacks"), (more, "has besides")):
        if names:
            others = f" and {len(names) - 3} others" if len(names) > 3 else ""
            parts.append(f"{words} {', '.join(names[:3])}{others}")
    place = f" its part '{found.name}'" if found.name else " a file that"
    return (
        f"found{place} {'; '.join(parts)}{library}; next: make the model as it was trained, with "
        "the same version of its library, or choose another part of the file with --part"
    )


def load_state_dict(path: str | Path, part: str = "") -> Entries:
    """The weights of a flow in a checkpoint.

    @param part  as --part has it
    """
    return weights_of(Path(path), part).entries


def weights_of(path: Path, part: str) -> Weights:
    """The part of a checkpoint that is a flow's; a file of nothing but tensors is all of it."""
    found = checkpoints.read(path)
    if part:
        return checkpoints.named(found, part, path)
    if checkpoints.candidates(found, first_look.is_known):
        return checkpoints.the_one(found, first_look.is_known, "the flow", path)
    every = checkpoints.state_dicts(found)
    if len(every) == 1:
        return Weights(every[0][0], checkpoints.compiled_away(every[0][1]), 0)
    return checkpoints.the_one(found, first_look.is_known, "a state dict of a flow", path)


def load_description(path: str | Path) -> Any:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ConversionError(f"{path}: expected JSON, found: {problem}") from None
    if not isinstance(found, dict):
        raise ConversionError(f"{path}: expected a description, found a {type(found).__name__}")
    return found


def load_golden(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as problem:  # NumPy has no type of its own for foreign bytes
        raise ConversionError(
            f"{path}: expected golden values, NPZ, found: {one_line(problem)}; next: write them "
            "with --save-golden where the library is"
        ) from None
