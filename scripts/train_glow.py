#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Trains a multi-scale Glow on images by maximum likelihood and writes it as a flow file.

    train_glow.py fashion_mnist -o glow.h5 --epochs 40 --threads 2
    train_glow.py pixels.npz:images -o mine.h5 --levels 3 --steps 16 --widths 128,128,256

The images are Fashion-MNIST, from Debian's package dataset-fashion-mnist, or whole numbers from 0
to 255 in an array [image x row x column] or [image x channel x row x column].  They are dequantised
with uniform noise, fresh in every epoch, so that x is in the data's own units: pixel + [0, 1).

The learning rate warms up, then falls to zero along a cosine over --epochs.  The weights that did
best on held-out images are kept.  --resume continues a killed training after its last epoch.

Kingma & Dhariwal (2018), "Glow", arXiv:1807.03039.
"""

import math
from pathlib import Path

from flotilla_tools import starting
from flotilla_tools.common_options import add_common
from flotilla_tools.starting import positive, sizes
from flotilla_tools.torch_flows.conditioners import ACTIVATIONS
from flotilla_tools.training.glow import Options, train


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("dataset", help="fashion_mnist, FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]")
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add(
        "--levels",
        type=positive(int),
        default=2,
        help="how often the image is halved (default %(default)s)",
    )
    add(
        "--steps",
        type=positive(int),
        default=8,
        help="couplings of each level (default %(default)s)",
    )
    add(
        "--widths",
        type=sizes,
        default=[64, 128],
        help="hidden channels, level by level from the"
        " data on; the last is for all deeper ones too (default 64,128)",
    )
    add(
        "--epochs",
        type=positive(int),
        default=40,
        help="passes over the images (default %(default)s)",
    )
    add(
        "--warm-up-steps",
        type=positive(int),
        default=500,
        help="of the optimiser until the learning rate is at its highest (default %(default)s)",
    )
    add(
        "--held-out-size",
        type=positive(int),
        default=5000,
        help="images held out (default %(default)s)",
    )
    add(
        "--max-minutes",
        type=positive(float),
        default=math.inf,
        help="of training (default: no limit)",
    )
    add_common(
        parser,
        activation={"choices": ACTIVATIONS, "default": "silu"},
        batch_size={"default": 64},
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
