# SPDX-License-Identifier: BSD-3-Clause
"""How every script starts and ends: its parser, its argument types, its exit codes."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Callable, TypeVar

from flotilla_tools.errors import InputError, SurroundingsError, one_line

Options = TypeVar("Options", bound=argparse.Namespace)
Number = TypeVar("Number", int, float)

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell has it."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help in at most 100 columns. Lines of the docstring are kept."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with the docstring of the script."""
    return argparse.ArgumentParser(description=description, formatter_class=_Help)


def run(parse: Callable[[], Options], act: Callable[[Options], object], resume: str = "") -> None:
    """Runs the script's function. A failure is one line and an exit code.

    Exit code 2: the input is wrong. 1: the environment failed. 130: interrupted; `resume` tells the
    user how to go on.
    """
    try:
        act(parse())
    except KeyboardInterrupt:
        _end("interrupted" + (f"; {resume}" if resume else ""), INTERRUPTED)
    except (InputError, ValueError) as problem:
        _end(problem, InputError.exit_code)
    except MemoryError as problem:
        _end(f"expected enough memory, found too little: {problem}", SurroundingsError.exit_code)
    except (SurroundingsError, OSError) as problem:
        _end(problem, SurroundingsError.exit_code)


def need(module: str, package: str) -> None:
    """Ends the script if a Python module is missing, and names the package that has it."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        _end(
            f"expected the Python module {module}, found none: install Debian's {package}",
            SurroundingsError.exit_code,
        )


def _end(problem: str | Exception, code: int) -> None:
    name = Path(sys.argv[0]).name
    print(f"{name}: {one_line(problem)}", file=sys.stderr)
    sys.exit(code)


# --- Types of arguments -------------------------------------------------------------------------


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """An argument type that takes only numbers above zero."""

    def convert(text: str) -> Number:
        number = kind(text)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return number

    convert.__name__ = f"positive {kind.__name__}"
    return convert


def not_negative(text: str) -> int:
    """An argument type that takes only whole numbers from zero on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, found {text}")
    return number


def probability(text: str) -> float:
    """An argument type that takes only numbers from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in [0, 1], found {text}")
    return number


def sizes(text: str) -> list[int]:
    """The whole numbers above zero in a list such as 64,128; an empty text gives none."""
    return [positive(int)(word) for word in text.split(",") if word]


def image(text: str) -> tuple[int, int, int]:
    """(channels, rows, columns) from 1x28x28."""
    words = [positive(int)(word) for word in text.split("x")]
    if len(words) != 3:
        raise argparse.ArgumentTypeError(f"expected channels, rows, columns as in 1x28x28: {text}")
    return words[0], words[1], words[2]
