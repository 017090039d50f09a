# SPDX-License-Identifier: BSD-3-Clause
"""Reads checkpoints in the forms that people save: what a file holds, and which part of it is the
weights of a flow.  No code of a file runs unless the caller says so (`trusted`).
"""

import inspect
import json
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, Mapping, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.errors import one_line
from flotilla_tools.importing import pickles
from flotilla_tools.importing.networks import ConversionError
from flotilla_tools.importing.pickles import Foreign

Entries = dict[str, Tensor]
"""A state dict."""

FIRST_BYTES = 512
"""Of a file, which tell its form."""

ESSENTIAL = ("torch", "nflows", "pyknos", "normflows", "normflow", "zuko", "FrEIA", "sbi", "pyro")
"""Modules whose classes a pickled model cannot do without."""

DEEPEST = 12
"""Levels of containers and attributes that are searched for weights."""


# --- Files --------------------------------------------------------------------------------------


class Form(NamedTuple):
    """A kind of file that is no checkpoint: how it begins, what it is, and what to do with it."""

    begins: bytes
    name: str
    step: str


FOREIGN_FORMS = (
    Form(b"\x89HDF", "an HDF5 file", "flotilla flow show FILE, if it is a flow file"),
    Form(b"version http", "a pointer of Git LFS", "git lfs pull, in its clone"),
    Form(b"<", "a web page", "download the file itself"),
    Form(b"\x1f\x8b", "a compressed file", "gunzip or tar -xzf it"),
    Form(b"BZh", "a compressed file", "bunzip2 it"),
    Form(b"\xfd7zXZ", "a compressed file", "unxz it"),
    Form(b"\x93NUMPY", "a NumPy array", "give the file that torch.save wrote"),
    Form(b"# ", "a text", "give it as --model FILE.py:FUNCTION, if it makes the model"),
    Form(b"import ", "a text", "give it as --model FILE.py:FUNCTION, if it makes the model"),
    Form(b"{", "a text", "give it as --description, if it describes the layers"),
)

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The types of numbers of safetensors files."""


def _refuse(path: Path, found: str, step: str) -> ConversionError:
    return ConversionError(f"{path}: expected a checkpoint, found {found}; next: {step}")


def _form_of(path: Path) -> str:
    """"safetensors", "torch" or "pickle"; refuses what is none of them, by its first bytes."""
    with path.open("rb") as file:
        content = file.read(FIRST_BYTES)
    if not content:
        raise _refuse(path, "an empty file", "copy it again from where it was saved")
    for form in FOREIGN_FORMS:
        if content.startswith(form.begins):
            raise _refuse(path, form.name, form.step.replace("FILE", str(path)))
    if len(content) > 8 and content[8:9] == b"{":
        return "safetensors"
    if content[257:262] == b"ustar":
        raise _refuse(path, "a tar archive", f"tar -xf {path}, then give the checkpoint in it")
    if not content.startswith(b"PK"):
        return "pickle"
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.split("/")[-1] for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise _damaged(path, "its table of contents is missing") from None
    if "constants.pkl" in names:
        raise _refuse(
            path,
            "a TorchScript module",
            f"flotilla sample {path}, if export_torchscript.py wrote it; else call torch.jit.load "
            "in a function of mine.py, and export_torchscript.py --model mine.py:FUNCTION --dim D "
            "-o mine.pt",
        )
    if "data.pkl" not in names:
        what = "NumPy arrays" if any(n.endswith(".npy") for n in names) else "another zip archive"
        raise _refuse(path, what, "give the file that torch.save wrote")
    return "torch"


def _damaged(path: Path, reason: str) -> ConversionError:
    return _refuse(
        path, f"a damaged file ({reason})", "copy it again from where it was saved, or save it anew"
    )


def safetensors_entries(path: Path) -> Entries:
    """The tensors of a safetensors file: the length of a JSON header, the header, the numbers."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    if size > len(content) - 8:
        raise _damaged(path, f"its header should have {size} bytes")
    numbers = memoryview(content)[8 + size :]
    found: Entries = {}
    try:
        header = json.loads(content[8 : 8 + size])
        for name, row in header.items():
            if name == "__metadata__":
                continue
            begin, end = row["data_offsets"]
            dtype, shape = DTYPES[row["dtype"]], [int(length) for length in row["shape"]]
            if not 0 <= begin <= end <= len(numbers) or min(shape, default=0) < 0:
                raise _damaged(path, f"the numbers of '{name}' end beyond the file")
            part = bytearray(numbers[begin:end])
            empty = torch.empty(0, dtype=dtype)
            array = torch.frombuffer(part, dtype=dtype) if part else empty
            found[name] = array.reshape(shape)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as problem:
        if isinstance(problem, ConversionError):
            raise
        raise _damaged(path, f"its header is none of safetensors: {one_line(problem)}") from None
    return found


def read(path: Path, trusted: bool = False) -> Any:
    """What a checkpoint holds; objects that are no tensors and no containers are `Foreign`.

    @param trusted  run the code that the file names, and make its objects
    """
    if path.is_dir():
        raise _refuse(path, "a folder", f"give one of the files in {path}")
    form = _form_of(path)
    if form == "safetensors":
        return safetensors_entries(path)
    if trusted:
        return _read_trusted(path, form)
    try:
        if form == "torch":
            return pickles.read_zip(path)
        with path.open("rb") as file:
            return pickles.read_stream(file, path.stat().st_size)
    except MemoryError:
        raise _damaged(path, "it asks for more memory than there is") from None
    except Exception as problem:  # foreign bytes fail in any way
        reason = f"{type(problem).__name__}: {one_line(problem)}"[:200]
        raise _damaged(path, reason) from None


def _read_trusted(path: Path, form: str) -> Any:
    """The objects of a pickle, made by their own classes; where one is missing, without it."""
    try:
        try:
            if form == "torch" or pickles.is_legacy(path):
                known = inspect.signature(torch.load).parameters
                whole = {"weights_only": False} if "weights_only" in known else {}
                return torch.load(path, map_location="cpu", **whole)
            with path.open("rb") as file:
                return pickle.load(file)
        except (ImportError, AttributeError):
            return _read_without_absent(path, form)
    except ConversionError:
        raise
    except Exception as problem:  # the file's own code may fail in any way
        raise ConversionError(
            f"{path}: its pickle failed: {type(problem).__name__}: {one_line(problem)}; next: make "
            "the model yourself, and give it the weights in this file: --model mine.py:FUNCTION"
        ) from None


def _read_without_absent(path: Path, form: str) -> Any:
    """The objects of a pickle some of whose classes are missing; refused if it is one itself."""
    absent: dict[str, str] = {}

    def making(file: BinaryIO, largest: int) -> pickles.TrustingReader:
        return pickles.TrustingReader(file, largest, absent)

    if form == "torch":
        found = pickles.read_zip(path, making)
    else:
        with path.open("rb") as file:
            found = pickles.read_stream(file, path.stat().st_size, making)
    vital = [name for name in absent if name.split(".")[0] in ESSENTIAL]
    if vital or isinstance(found, (Foreign, type)):
        first = next(iter(vital or absent), type(found).__name__)
        raise ConversionError(
            f"{path}: expected {first}, which its pickle names, found that Python cannot import it "
            f"({absent.get(first, 'not made by it')}); next: install what is missing or put it on "
            "PYTHONPATH, or make the model yourself: --model mine.py:FUNCTION"
        )
    return found


# --- Which part of a file is the weights --------------------------------------------------------


class Weights(NamedTuple):
    """Entries of a state dict, where they were in a file, and what was left aside."""

    name: str
    """As --part takes it: "state_dict:flow."; "" for a whole file."""
    entries: Entries
    left_out: int


def _module_entries(module: Mapping[Any, Any], prefix: str, found: Entries, depth: int) -> None:
    """The state dict of a pickled module, from the attributes that every module has."""
    kept = dict(module.get("_parameters") or {})
    passing = module.get("_non_persistent_buffers_set") or ()
    buffers = module.get("_buffers") or {}
    kept.update({name: value for name, value in buffers.items() if name not in passing})
    for name, value in kept.items():
        if torch.is_tensor(value):
            found[f"{prefix}{name}"] = value.detach()
    for name, part in (module.get("_modules") or {}).items():
        if isinstance(part, Foreign) and depth > 0:
            _module_entries(part.state, f"{prefix}{name}.", found, depth - 1)


def is_module(value: Any) -> bool:
    """Whether this is a module, made or only read."""
    if isinstance(value, nn.Module):
        return True
    return isinstance(value, Foreign) and isinstance(value.state.get("_modules"), Mapping)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), child) for key, child in value.items())
    elif isinstance(value, Foreign):
        for mapping in (value.state, value.items, dict(enumerate(value.arguments))):
            yield from ((str(key), child) for key, child in mapping.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(k), child) for k, child in enumerate(value))


def state_dicts(found: Any) -> list[tuple[str, Entries]]:
    """(path, entries) of everything in a file that may be a state dict; no optimiser's."""
    results: list[tuple[str, Entries]] = []
    seen: set[int] = set()

    def search(value: Any, path: str, depth: int) -> None:
        if id(value) in seen or depth < 0 or torch.is_tensor(value):
            return
        seen.add(id(value))
        entries: Entries = {}
        if isinstance(value, nn.Module):
            entries = dict(value.state_dict())
        elif is_module(value):
            _module_entries(value.state, "", entries, DEEPEST)
        elif isinstance(value, Mapping):
            if "param_groups" in value:
                return
            entries = {k: v for k, v in value.items() if isinstance(k, str) and torch.is_tensor(v)}
        if entries:
            results.append((path, entries))
        if not is_module(value):
            for name, child in _children(value):
                search(child, f"{path}.{name}" if path else name, depth - 1)

    search(found, "", DEEPEST)
    return results


def compiled_away(entries: Mapping[str, Tensor]) -> Entries:
    """The entries without the words that torch.compile puts into their names."""
    return {re.sub(r"(^|\.)_orig_mod\.", r"\1", name): value for name, value in entries.items()}


def _by_prefix(path: str, entries: Entries) -> Iterator[Weights]:
    """The entries as they are, then those below each prefix that they have."""
    prefixes = {""}
    for name in entries:
        words = name.split(".")
        prefixes.update(".".join(words[:k]) + "." for k in range(1, min(len(words), 6)))
    for prefix in sorted(prefixes, key=lambda p: (p.count("."), p)):
        below = {n[len(prefix) :]: v for n, v in entries.items() if n.startswith(prefix)}
        name = f"{path}:{prefix}" if prefix else path
        yield Weights(name, below, len(entries) - len(below))


def candidates(found: Any, fits: Callable[[Entries], bool]) -> list[Weights]:
    """The parts of a file that fit, each under its shortest prefix; no part of a part that fits."""
    results = []
    for path, entries in state_dicts(found):
        whole: list[str] = []
        for one in _by_prefix(path, compiled_away(entries)):
            prefix = one.name.partition(":")[2]
            if not any(prefix.startswith(shorter) for shorter in whole) and fits(one.entries):
                results.append(one)
                whole.append(prefix)
    return results


def named(found: Any, part: str, path: Path) -> Weights:
    """The part that --part names."""
    place, _, prefix = part.partition(":")
    known = dict(state_dicts(found))
    if place in known:
        for one in _by_prefix(place, compiled_away(known[place])):
            if one.name == part:
                return one
    names = ", ".join(f"'{name}'" for name in list(known)[:8]) or "none"
    raise ConversionError(
        f"{path}: expected --part to name a part of the file, with the prefix of its entries after "
        f"a colon, found '{part}' (the parts are {names}); next: import_flow.py {path}"
    )


def the_one(found: Any, fits: Callable[[Entries], bool], wanted: str, path: Path) -> Weights:
    """The only part of a file that fits; two or more, or none, are an error that lists them.

    @param wanted  what is looked for, in words
    """
    fitting = candidates(found, fits)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(f"'{one.name}' ({len(one.entries)} entries)" for one in fitting[:8])
        raise ConversionError(
            f"{path}: expected one part that fits {wanted}, found {len(fitting)}: {names}; next: "
            f"choose one, --part '{fitting[0].name}'"
        )
    raise ConversionError(
        f"{path}: expected {wanted}, found {contents_in_words(found)}; next: import_flow.py {path} "
        "says what is in it, and --part PART:PREFIX picks a part"
    )


def contents_in_words(found: Any) -> str:
    """What a file holds, in a few words."""
    dicts = state_dicts(found)
    if dicts:
        shown = "; ".join(
            f"{f'{path!r}: ' if path else ''}{len(entries)} entries such as '{next(iter(entries))}'"
            for path, entries in dicts[:4]
        )
        return one_line(shown)
    kind = type(found)
    if isinstance(found, Foreign):
        return one_line(f"an object of {kind.__module__}.{kind.__name__} without weights")
    if torch.is_tensor(found):
        return f"a tensor of {list(found.shape)}"
    if isinstance(found, Mapping):
        return one_line(f"a dictionary without tensors, of {', '.join(map(str, list(found)[:6]))}")
    return f"a {kind.__name__} without tensors"


def notes_on(weights: Weights) -> list[str]:
    """What was unwrapped and converted, a sentence each."""
    place, _, prefix = weights.name.partition(":")
    notes = []
    if place:
        notes.append(f"the weights are its part '{place}'")
    if prefix:
        left = f"; {weights.left_out} others left aside" if weights.left_out else ""
        notes.append(f"without the prefix '{prefix}' of {len(weights.entries)} entries{left}")
    kinds = {str(value.dtype)[6:] for value in weights.entries.values()}
    for kind in sorted(kinds & {"float16", "bfloat16"}):
        notes.append(f"its numbers are {kind}, used as they are")
    return notes


def numbers_of(entries: Entries) -> int:
    """How many numbers a state dict has."""
    return int(np.sum([value.numel() for value in entries.values()]))
