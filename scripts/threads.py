#!/usr/bin/python3
"""One place to say how many threads PyTorch may use, its BLAS included."""

import ctypes
import os

import torch


def set_threads(count):
    """Limits PyTorch and, where it is loaded, OpenBLAS.

    A PyTorch built on OpenBLAS with POSIX threads multiplies matrices on every core whatever
    torch.set_num_threads says: OpenBLAS has to be told by itself.
    """
    torch.set_num_threads(count)
    try:
        openblas = ctypes.CDLL("libopenblas.so.0", mode=os.RTLD_NOLOAD)
    except OSError:
        return
    openblas.openblas_set_num_threads(count)
