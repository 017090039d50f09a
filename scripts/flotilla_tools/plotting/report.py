# SPDX-License-Identifier: BSD-3-Clause
"""One page about a run or a study, whichever a file holds."""

import argparse
from pathlib import Path

from flotilla_tools.arrays import expect_output
from flotilla_tools.hdf5_files import apart, opened
from flotilla_tools.plotting.run_page import run_page
from flotilla_tools.plotting.study_page import study_page
from flotilla_tools.program import find_program


class Options(argparse.Namespace):
    """The inputs of a page."""

    input: Path
    output: Path | None
    flow: Path | None
    flotilla: Path | None


def is_study(path: Path) -> bool:
    with opened(path, "a run or a study") as file:
        return "runs" in file and "means" in file


def write_page(options: Options) -> Path:
    """Writes the page of a run or a study; returns its path."""
    output = options.output or options.input.with_suffix(".html")
    expect_output(output, options.input)
    if apart(is_study, options.input):
        content = study_page(options.input)
    else:
        content = run_page(options.input, options.flow, find_program(options.flotilla))
    output.write_text(content, encoding="utf-8")
    return output
