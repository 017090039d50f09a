# SPDX-License-Identifier: BSD-3-Clause
"""Measurements of the program: its speed, its scaling, the quality of its draws."""
