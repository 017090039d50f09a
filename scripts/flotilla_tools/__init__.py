# SPDX-License-Identifier: BSD-3-Clause
"""Shared by the scripts: flow files, flows in PyTorch, importers, training, pictures,
measuring."""

from flotilla_tools.starting import need

need("h5py", "python3-h5py")
