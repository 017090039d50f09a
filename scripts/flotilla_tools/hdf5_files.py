# SPDX-License-Identifier: BSD-3-Clause
"""HDF5 files that may come from anywhere: what they hold themselves is read, and failures are one
sentence.  What we write has texts of fixed length, which need no global heap."""

import contextlib
from pathlib import Path
from typing import Any, Iterator, Mapping

import h5py
import numpy as np

from flotilla_tools.errors import InputError

DAMAGED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What h5py and NumPy raise where a file is not what its reader expects."""


@contextlib.contextmanager
def opened(path: str | Path, expected: str) -> Iterator[h5py.File]:
    """A file, open for reading.  Whatever goes wrong with it meanwhile is an InputError;
    `expected` is for its message, as in "a run file of flotilla sample"."""
    try:
        with h5py.File(path, "r") as file:
            expect_own(file)
            yield file
    except InputError:
        raise
    except DAMAGED as problem:
        found = problem.args[-1] if problem.args else type(problem).__name__
        raise InputError(f"expected {expected} at {path}, found another: {found}") from None


def expect_own(file: h5py.File) -> None:
    """Refuses links into other files, and arrays whose values lie elsewhere."""
    groups, seen = [file["/"]], set()
    while groups:
        group = groups.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            continue
        seen.add(place)
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                continue  # to what is looked at anyway
            if not isinstance(link, h5py.HardLink):
                raise InputError(
                    f"expected in {file.filename} only what it holds itself, found a link into "
                    f"another file, '{name}' in '{group.name}': copy there what it leads to"
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
                raise InputError(
                    f"expected in {file.filename} only what it holds itself, found values of "
                    f"'{item.name}' that lie elsewhere: copy them there"
                )


def text_of(value: Any) -> str:
    """An attribute of a file as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def attributes_of(item: h5py.HLObject) -> dict[str, Any]:
    """The attributes of a file, a group or a dataset, texts as str."""
    return {
        name: text_of(value) if isinstance(value, bytes) else value
        for name, value in item.attrs.items()
    }


def write_attributes(item: h5py.HLObject, attributes: Mapping[str, Any]) -> None:
    """Adds attributes; texts have fixed length."""
    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode()
            kind = h5py.string_dtype("utf-8", max(1, len(text)))
            item.attrs.create(name, np.bytes_(text), dtype=kind)
        else:
            item.attrs[name] = value
