# SPDX-License-Identifier: BSD-3-Clause
"""Sets the threads of PyTorch and its BLAS, and PyTorch's precision."""

import contextlib
import ctypes
import os
from typing import Iterator

import torch

PRECISIONS = {"float": torch.float32, "double": torch.float64}


def set_threads(count: int) -> None:
    """Limits PyTorch and, where it is loaded, OpenBLAS.

    A PyTorch built on OpenBLAS with POSIX threads multiplies matrices on every core. It ignores
    torch.set_num_threads there, so OpenBLAS has to be set separately.
    """
    torch.set_num_threads(count)
    try:
        openblas = ctypes.CDLL("libopenblas.so.0", mode=os.RTLD_NOLOAD)
    except OSError:
        return
    openblas.openblas_set_num_threads(count)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Within it, PyTorch turns Python's numbers into tensors of this type."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)
