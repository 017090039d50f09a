# SPDX-License-Identifier: BSD-3-Clause
"""Training flows by maximum likelihood."""

from flotilla_tools.starting import need

need("torch", "python3-torch")
