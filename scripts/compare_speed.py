#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the speed of the program with the same sampling in PyTorch, and two ranks with one.

    compare_speed.py                       three comparisons, a few minutes
    compare_speed.py --markdown --rounds 5 --seconds 20
    compare_speed.py --only planar ranks
    compare_speed.py --only architectures  couplings, splines, MAF and IAF in 8, 64, 512 dimensions
    compare_speed.py --only glow           the Glow of Fashion-MNIST, metric and Euclidean MALA
    compare_speed.py --only torchscript    the program on TorchScript files against itself
    compare_speed.py --only layers         every kind of coupling and residual layers, against both
    compare_speed.py --only effective effective-glow --flows curved_64.h5
                                           effective draws: the defaults against MALA and HMC

Both programs sample the same flow, a random one (random_flow.py) or one of apps/flows, with the
same kernel, step size and precision, one rank and one thread each, in turns: A B A B ...  Each
tells its own rate over its sampling phase, in chain-steps per second (steps times chains over wall
time).  The table has the medians over rounds, their ratio and, in brackets, the lowest and the
highest round; for architectures also the program's share of the core's matrix product, measured by
flotilla_bench in the same run.  The program writes its draws to a file meanwhile; PyTorch
(reference_torch.py --time) keeps none.

For effective draws the program has its defaults.  PyTorch samples the same target with MALA, with
jittered HMC of several lengths, and with MALA between global moves.  Its best settings and the
program then take turns.  Rates are per second of processor time, on one thread each.
"""

import tempfile
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.measuring import effective, layer_speed
from flotilla_tools.measuring.speed import Options, caption, compare_all, table
from flotilla_tools.program import Flotilla
from flotilla_tools.starting import positive


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    rates = ("planar", "image", "ranks", "architectures", "glow", "torchscript")
    names = (*rates, "layers", *effective.CASES)
    add_common(
        parser,
        flotilla={},
    )
    add(
        "--rounds",
        type=positive(int),
        default=3,
        help="turns of each comparison (default %(default)s)",
    )
    add(
        "--seconds",
        type=positive(float),
        default=10.0,
        help="of sampling in a round (default %(default)g)",
    )
    add("--markdown", action="store_true", help="print the table in markdown")
    add(
        "--only",
        choices=names,
        nargs="+",
        default=rates[:3],
        metavar="COMPARISON",
        help=f"of {', '.join(names)} (default: the first three)",
    )
    add(
        "--flows",
        type=Path,
        nargs="+",
        default=[],
        help="more flow files whose effective draws are compared, at beta 1",
    )
    return parser.parse_args(arguments, namespace=Options())


def compare(options: Options) -> None:
    cases = [case for name in options.only for case in effective.CASES.get(name, ())]
    cases += map(effective.case_of, options.flows)
    if cases:
        flotilla = Flotilla(options.flotilla, 1, binding="none")
        rows = effective.compare(cases, flotilla, options.rounds)
        print("\n".join([*effective.table(rows), "", effective.CAPTION]))
    if "layers" in options.only:
        print("\n".join([*layer_speed.compare(options), "", layer_speed.CAPTION]))
    if set(options.only) <= {"layers", *effective.CASES}:
        return
    with tempfile.TemporaryDirectory() as directory:
        comparisons = compare_all(options, Path(directory))
    print("\n".join([*table(comparisons, options.markdown), "", caption(options)]))


if __name__ == "__main__":
    starting.run(parse, compare)
