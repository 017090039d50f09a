#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Trains a RealNVP by maximum likelihood and writes it as a flow file.

    train_flow.py two_moons -o two_moons.h5
    train_flow.py run.h5 -o refined.h5
    train_flow.py draws.npz:theta -o theta.h5 --layers 12 --width 128 --batch-size 256

The data are a toy (two_moons, gaussians_K, rings: fresh draws every epoch) or a [draw x
coordinate] array in FILE.npy, FILE.npz[:array] or FILE.h5[:dataset], or the draws of a run file as
they are.  Training stops when the held-out likelihood has not improved for --patience epochs; the
best weights are kept.  --resume continues a killed training after its last epoch.
"""

from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.starting import positive
from flotilla_tools.torch_flows.conditioners import ACTIVATIONS
from flotilla_tools.training.real_nvp import Options, train


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("dataset", help="a toy, FILE.npy, FILE.npz[:array], FILE.h5[:dataset] or a run file")
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--layers", type=positive(int), default=8, help="affine couplings (default %(default)s)")
    add(
        "--width",
        type=positive(int),
        default=64,
        help="units of a hidden layer (default %(default)s)",
    )
    add("--depth", type=int, default=2, help="hidden layers of a conditioner (default %(default)s)")
    add("--max-epochs", type=positive(int), default=2000, help="of training (default %(default)s)")
    add(
        "--max-minutes",
        type=positive(float),
        default=30.0,
        help="of training (default %(default)s)",
    )
    add(
        "--patience",
        type=positive(int),
        default=40,
        help="epochs without an improvement before the end (default %(default)s)",
    )
    add("--train-size", type=positive(int), help="draws an epoch (toys: 65536; files: all others)")
    add("--held-out-size", type=positive(int), help="draws held out (toys: 32768; files: a tenth)")
    add(
        "--noise",
        type=positive(float),
        help="standard deviation of a toy's noise (default: its own)",
    )
    add_common(
        parser,
        activation={"choices": ACTIVATIONS, "default": "tanh"},
        batch_size={"default": 1024},
        learning_rate={},
        seed={},
        threads={},
        resume={},
    )
    return parser.parse_args(arguments, namespace=Options())


def run(options: Options) -> None:
    print(train(options))


if __name__ == "__main__":
    starting.run(parse, run, resume="go on with --resume")
