#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""One page about a run or a study: the verdict first, then figures, configuration, provenance.

    report.py run.h5                   writes run.html
    report.py study.h5 -o page.html

The page is one HTML file with its pictures in it: it opens without a network, can be mailed, and
fits telephones and wide screens.
Figures of a run are those of `flotilla summary`, pictures those of plot_run.py and plot_study.py.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.plotting.report import Options, write_page


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("input", type=Path, help="a run file, or the output of 'flotilla study'")
    add("-o", "--output", type=Path, help="HTML to write (default: the input's name with .html)")
    add("--flow", type=Path, help="the run's flow file, if it has moved")
    add_common(
        parser,
        flotilla={},
    )
    return parser.parse_args(arguments, namespace=Options())


def report(options: Options) -> None:
    print(write_page(options))


if __name__ == "__main__":
    starting.run(parse, report)
