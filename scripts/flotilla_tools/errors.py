# SPDX-License-Identifier: BSD-3-Clause
"""What ends a script with one sentence for the user, and with which exit code."""


class InputError(ValueError):
    """What was asked for cannot be done as asked: exit code 2."""

    exit_code = 2


class SurroundingsError(RuntimeError):
    """Something that the script stands on is missing or failed: exit code 1."""

    exit_code = 1
