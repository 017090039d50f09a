# SPDX-License-Identifier: BSD-3-Clause
"""Starts the scripts that look at runs in this process: a traceback ends the test."""

import contextlib
import io
import warnings
from unittest import mock

import plot_run
import plot_study
import report
from flotilla_tools import starting
from program import PROGRAM

SCRIPTS = {
    plot_run: (plot_run.draw, ["--flotilla", PROGRAM]),
    plot_study: (plot_study.draw, []),
    report: (report.report, ["--flotilla", PROGRAM]),
}


def start(script, *words):
    """(exit code, output, complaints) of a script, in this process: a traceback fails the test."""
    act, more = SCRIPTS[script]
    out, complaints, code = io.StringIO(), io.StringIO(), 0
    words = [f"{script.__name__}.py", *map(str, words), *more]
    with mock.patch("sys.argv", words), contextlib.redirect_stdout(out):
        with contextlib.redirect_stderr(complaints), warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                starting.run(script.parse, act)
            except SystemExit as end:
                code = end.code
    return code, out.getvalue(), complaints.getvalue()
