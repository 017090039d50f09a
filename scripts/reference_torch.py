#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""The ensemble sampler in PyTorch: an independent check of the program's statistics, and a
standard for its speed.

    reference_torch.py FLOW.h5 --chains 1024 --warmup 500 --draws 1000 -o RUN.h5
    reference_torch.py FLOW.h5 --kernel mala --target clipped --clip-quantile 0.7 --time

Targets, kernels and warm-up are those of the program, on one process, without matrices: all chains
are one [chain x coordinate] tensor, and automatic differentiation gives every Jacobian product.
With q_Z the flow's base density, x = f(z), J = df/dz and l = log|det J|:

    tempered     log pi(z) = log q_Z(z) - beta l(z)
    clipped      log pi(z) = log q_Z(z) - beta softplus_k(l(z) - c)
    metric-mala  z' = z + J(z)^-1 [(eps^2/2) s(z) + eps xi],  s = J^-T grad log pi
    mala         z' = z + (eps^2/2) grad log pi(z) + eps xi
    hmc          leapfrog steps of size eps at most, from a new momentum xi; a trajectory's length
                 is drawn uniformly within half of --leapfrog-steps times eps about it

A metric-MALA step costs six passes through the flow's networks: f and its product with z - z' in
one forward-mode pass at z' (two), f^-1 and its reverse pass at x' = f(z') (two), and f^-1 with its
product in one forward-mode pass at x (two).  MALA costs two, HMC two for each leapfrog step.

`flotilla summary RUN.h5` gives the effective draws per second and per gradient.  The last line
printed is `chain_steps_per_second <number>`, over the sampling phase.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.arrays import expect_directory
from flotilla_tools.starting import not_negative, positive, probability
from flotilla_tools.torch_flows import sampler
from flotilla_tools.torch_flows.computing import PRECISIONS, set_threads
from flotilla_tools.torch_flows.sampler import KERNELS


class Options(sampler.Sampling):
    threads: int


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("flow", type=Path, help="flow file")
    add(
        "--kernel", choices=KERNELS, default="metric-mala", help="local moves (default %(default)s)"
    )
    add(
        "--leapfrog-steps",
        type=positive(int),
        default=4,
        help="of a trajectory of hmc (default %(default)s)",
    )
    add(
        "--target",
        choices=("tempered", "clipped"),
        default="tempered",
        help="density to sample (default tempered)",
    )
    add("--beta", type=float, default=1.0, help="power of the volume change (default %(default)s)")
    add("--clip-level", type=float, help="c, in nats (default: --clip-quantile)")
    add(
        "--clip-quantile",
        type=probability,
        default=0.7,
        help="of l over draws of q_Z, where there is no --clip-level (default %(default)s)",
    )
    add("--clip-sharpness", type=positive(float), default=5.0, help="k, in 1/nats (default 5)")
    add("--step-size", type=positive(float), help="to begin warm-up with (default dim^(-1/6))")
    add("--no-adapt", dest="adapt", action="store_false", help="keep the step size through warm-up")
    add(
        "--target-accept",
        type=probability,
        help="acceptance rate that warm-up aims at (default 0.574, of hmc 0.7)",
    )
    add(
        "--precision", choices=PRECISIONS, default="float", help="of the flow (default %(default)s)"
    )
    add_common(
        parser,
        context={},
        chains={"default": 1024},
        warmup={"type": not_negative, "default": 1000},
        draws={"default": 1000},
        thin={"default": 1},
        global_fraction={},
        exchange_every={"default": 10},
        threads={},
        seed={},
    )
    add("--time", action="store_true", help="keep no draws: only the speed is wanted")
    add("-o", "--output", type=Path, help="HDF5 file of draws to write")
    options = parser.parse_args(arguments, namespace=Options())
    if options.time and options.output:
        parser.error("expected --time or -o, found both: --time keeps no draws to write")
    return options


def sample(options: Options) -> None:
    set_threads(options.threads)
    if options.output:
        expect_directory(options.output)
    result = sampler.sample(options)
    if options.output:
        sampler.write(options.output, result, options)
    sampler.report(result, options)


if __name__ == "__main__":
    starting.run(parse, sample)
