# SPDX-License-Identifier: BSD-3-Clause
"""Reads arrays from the files of users: FILE.npy, FILE.npz[:array], FILE.h5[:dataset]."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import opened

Array = npt.NDArray[Any]
"""An array whose shape, and type where it matters, the docstring tells."""


def read_array(name: str, expected: str) -> Array:
    """The array at FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]; `expected` is for the
    message."""
    path, _, wanted = name.partition(":")
    if not Path(path).is_file() or not path.endswith((".npy", ".npz", ".h5", ".hdf5", ".nc")):
        raise InputError(
            f"expected {expected} or an existing .npy, .npz or .h5 file, found '{name}'"
        )
    if path.endswith(".npy"):
        return np.asarray(np.load(path))
    if path.endswith(".npz"):
        return pick(dict(np.load(path)), wanted, path)
    with opened(path, f"{expected} in an HDF5 file") as file:
        if wanted in file and isinstance(file[wanted], h5py.Dataset):
            return np.asarray(file[wanted][()])
        arrays = {key: item for key, item in file.items() if isinstance(item, h5py.Dataset)}
        return pick(arrays, wanted, path)


def pick(arrays: dict[str, Any], wanted: str, path: str) -> Array:
    """The wanted array, or the only one."""
    name = wanted or (next(iter(arrays)) if len(arrays) == 1 else "")
    if name not in arrays:
        raise InputError(
            f"expected {path}:NAME with a name among {', '.join(arrays) or '(none)'}, "
            f"found '{wanted}'"
        )
    return np.asarray(arrays[name])


def expect_directory(path: Path) -> None:
    """Refuses an output whose folder does not exist. Call it before the work begins."""
    if not path.absolute().parent.is_dir():
        raise InputError(f"expected a directory {path.parent} for {path.name}, found none: make it")


def expect_output(path: Path, source: Path) -> None:
    """Refuses an output without a folder, and one that is what is read. Call it first."""
    expect_directory(path)
    if path.exists() and source.exists() and path.samefile(source):
        raise InputError(f"expected an output beside {source}, found the file itself: name another")
