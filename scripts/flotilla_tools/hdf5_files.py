# SPDX-License-Identifier: BSD-3-Clause
"""HDF5 files that may come from anywhere: what they hold themselves is read, and failures are one
sentence.  What we write has texts of fixed length, which need no global heap."""

import contextlib
import multiprocessing
import resource
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from flotilla_tools.errors import InputError, one_line

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

Found = TypeVar("Found")

LONGEST = 60
"""Seconds of computing that a reader in a process of its own may take."""

MOST_VALUES = 50_000_000
"""Of an array that is read whole: no file of ours has more."""


class Unfit(InputError):
    """What a file has in place of what is expected: `opened` adds what that is, and where."""


@contextlib.contextmanager
def opened(path: str | Path, expected: str) -> Iterator[h5py.File]:
    """A file, open for reading.  Whatever goes wrong with it meanwhile is an InputError;
    `expected` is for its message, as in "a run file of flotilla sample"."""
    if not Path(path).is_file():
        raise InputError(f"expected {expected} at {path}, found no such file: check the path")
    try:
        with h5py.File(path, "r") as file:
            expect_own(file)
            yield file
    except Unfit as problem:
        raise InputError(f"expected {expected} at {path}, {problem}") from None
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


def array_at(file: h5py.Group, name: str) -> h5py.Dataset:
    """The array at a path such as posterior/x."""
    item: Any = file
    for part in name.split("/"):
        if not isinstance(item, h5py.Group) or part not in item:
            raise Unfit(f"found one without {name}")
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise Unfit(f"found one where {name} is no array")
    return item


def dataset(file: h5py.Group, name: str, axes: int) -> h5py.Dataset:
    """The numbers at a path, with this many axes."""
    item = array_at(file, name)
    shape = item.shape
    if shape is None or len(shape) != axes or item.dtype.kind not in "iufb":
        raise Unfit(
            f"found one where {name} is not numbers along {axes} axes, but {item.dtype} {shape}"
        )
    return item


def whole(file: h5py.Group, name: str, axes: int = 1) -> npt.NDArray[Any]:
    """All numbers of a dataset of moderate size."""
    found = dataset(file, name, axes)
    if found.size > MOST_VALUES:
        raise Unfit(f"found one where {name} has {found.size:,} values: {MOST_VALUES:,} fit")
    return np.asarray(found[()])


def has_group(file: h5py.Group, name: str) -> bool:
    return isinstance(file.get(name), h5py.Group)


def scalars_of(item: h5py.HLObject) -> dict[str, str | int | float]:
    """The attributes that are one text or one number; others are left out."""
    found: dict[str, str | int | float] = {}
    for name, value in attributes_of(item).items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, (str, int, float)):
            found[one_line(name)] = value
    return found


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


def apart(read: Callable[[Path], Found], path: Path) -> Found:
    """What a reader finds in a file, from a process of its own: on some damaged files HDF5 itself
    crashes or never ends."""
    forked = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, forked, _limit) as pool:
        try:
            return pool.submit(read, path).result()
        except BrokenProcessPool:
            raise InputError(
                f"expected a sound HDF5 file at {path}, found one that the HDF5 library does not "
                "survive: get or make it again"
            ) from None


def _limit() -> None:
    """Ends this process with Ctrl-C and after LONGEST, without a core dump."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
