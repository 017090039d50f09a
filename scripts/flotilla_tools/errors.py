# SPDX-License-Identifier: BSD-3-Clause
"""Errors that end a script with one sentence for the user, and their exit codes."""


class InputError(ValueError):
    """The request cannot be carried out as it stands: exit code 2."""

    exit_code = 2


class SurroundingsError(RuntimeError):
    """Something that the script needs is missing or failed: exit code 1."""

    exit_code = 1


def one_line(text: object) -> str:
    """The text on one line, without what would steer a terminal; for words of foreign files."""
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)
