# SPDX-License-Identifier: BSD-3-Clause
"""Flows of other libraries as flow files."""

from flotilla_tools.starting import need

need("torch", "python3-torch")
