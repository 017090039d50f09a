# SPDX-License-Identifier: BSD-3-Clause
"""The draws of a run file as one array."""

import h5py
import numpy as np

from flotilla_tools.arrays import Array, read_array
from flotilla_tools.hdf5_files import Unfit, dataset, opened


def committed(file: h5py.File, draws_wanted: int) -> int:
    """How many draws of each chain are complete."""
    draws = int(dataset(file, "draws_committed", 0)[()])
    if not 0 <= draws <= draws_wanted:
        raise Unfit(f"found one with {draws:,} committed draws of {draws_wanted:,}")
    return draws


def read_points(name: str, expected: str) -> Array:
    """The array at FILE.npy, FILE.npz[:array] or FILE.h5[:dataset], or all complete draws x of a
    run file, [draw x coordinate], chain by chain; `expected` is for the message."""
    if not is_run_file(name):
        return read_array(name, expected)
    with opened(name, "a run file of flotilla sample") as file:
        x = dataset(file, "posterior/x", 3)
        draws = committed(file, x.shape[1])
        if draws == 0:
            raise Unfit("found one without a committed draw: run on")
        return np.asarray(x[:, :draws]).reshape(-1, x.shape[2])


def is_run_file(name: str) -> bool:
    """Whether a name is that of a run file, and not of an array in a file."""
    if not name.endswith((".h5", ".hdf5", ".nc")) or not h5py.is_hdf5(name):
        return False
    with opened(name, "an HDF5 file") as file:
        return "draws_committed" in file and "posterior" in file
