# SPDX-License-Identifier: BSD-3-Clause
"""Normalizing flows in PyTorch."""

from flotilla_tools.starting import need

need("torch", "python3-torch")
