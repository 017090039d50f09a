#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Writes an untrained flow of a given shape as a flow file, for tests and benchmarks.

    random_flow.py -o random.h5 --dim 784 --layers 8 --widths 512,512 --seed 1
    random_flow.py -o every_type.h5 --dim 6 --layers 4 --widths 32 --activation silu --extras
    random_flow.py -o shear.h5 --shear 0.7

The couplings have random weights, scaled layer by layer until their outputs, log scale and shift,
spread by 0.3 over standard normal draws (less for heavy tails).  Such a flow is nonlinear, far from
the identity, and invertible in single precision; others are refused.

--extras puts layers of every other type first: a sigmoid, a map that shrinks the unit interval, a
logit; linear and planar maps; couplings and autoregressive layers of every map, some of them
inverted.  The image of such a flow is not the whole space: invert only f(z).  --extras curves has
the maps that are curves of one coordinate alone, --extras layers all others.

--shear writes x1 = z1, x2 = z2 exp(A z1): log|det dx/dz| = A z1, and every moment is a formula.
"""

from pathlib import Path
from typing import Any

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.arrays import expect_directory
from flotilla_tools.starting import not_negative, positive, sizes
from flotilla_tools.torch_flows.computing import PRECISIONS, set_threads
from flotilla_tools.torch_flows.conditioners import ACTIVATIONS
from flotilla_tools.torch_flows.flow import save_flow
from flotilla_tools.torch_flows.random_flows import (
    BASES,
    EXTRAS,
    LAYERS,
    OUTPUT_SPREAD,
    Shape,
    check,
    random_flow,
    shear_flow,
)


class Options(Shape):
    output: Path
    shear: float
    precision: str | None


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--dim", type=positive(int), default=2, help="coordinates (default %(default)s)")
    add(
        "--kind",
        choices=LAYERS,
        default="affine",
        metavar="NAME",
        help=f"of the layers: {', '.join(LAYERS)} (default %(default)s)",
    )
    add(
        "--layers",
        type=positive(int),
        default=8,
        help="how many of that kind (default %(default)s)",
    )
    add(
        "--widths", type=sizes, default="64,64", help="sizes of hidden layers (default %(default)s)"
    )
    add("--context", type=not_negative, default=0, metavar="N", help="condition it on N numbers")
    add(
        "--extras",
        choices=EXTRAS,
        default="none",
        nargs="?",
        const="all",
        help="put layers of all other types first, or those of one kind",
    )
    add(
        "--base",
        choices=BASES,
        default=BASES[0],
        metavar="NAME",
        help=f"density of z: {', '.join(BASES)} (default %(default)s)",
    )
    add_common(
        parser,
        activation={"choices": ACTIVATIONS, "default": "tanh"},
        seed={"type": not_negative},
    )
    add("--shear", type=float, metavar="A", help="write the shear flow instead, of dimension 2")
    add("--precision", choices=PRECISIONS, help="of the weights (default float; --shear: double)")
    options = parser.parse_args(arguments, namespace=Options())
    if options.dim < 2:
        parser.error("expected --dim of at least 2, found 1: a coupling has to keep a coordinate")
    return options


def provenance(options: Options) -> dict[str, Any]:
    """The provenance of the file."""
    facts = {"made_by": "random_flow.py", "trained_by": "nobody: a flow for tests and benchmarks"}
    if options.shear is not None:
        return {**facts, "shear": options.shear}
    return {**facts, "seed": options.seed, "output_spread": OUTPUT_SPREAD}


def write(options: Options) -> None:
    set_threads(1)
    expect_directory(options.output)
    shear = options.shear is not None
    flow = shear_flow(options.shear) if shear else random_flow(options)
    flow = flow.to(PRECISIONS[options.precision or ("double" if shear else "float")])
    check(flow, options.seed)
    save_flow(options.output, flow, provenance(options))
    print(f"{options.output}: dim {flow.dim}, {len(flow.layers)} layers")


if __name__ == "__main__":
    starting.run(parse, write)
