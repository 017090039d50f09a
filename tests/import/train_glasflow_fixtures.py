#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains the fixtures of glasflow and nessai, whose flows are those of a fork of nflows.

    PYTHONPATH=fork:glasflow/src:nessai/src tests/import/train_glasflow_fixtures.py [NAME ...]

Needs clones of github.com/uofgravity/nflows (the fork, as `glasflow.nflows` or by
GLASFLOW_USE_NFLOWS=1), github.com/uofgravity/glasflow and github.com/mj-will/nessai.
"""

import torch

from fixture_training import BATCH, CONTEXT, DIM, HIDDEN, draws, main
from glasflow.flows import RealNVP
from nessai.flows.realnvp import RealNVP as NessaiRealNVP

NEURONS = {"n_transforms": 3, "n_neurons": HIDDEN, "n_blocks_per_transform": 1}

FLOWS = {
    "nflows_of_glasflow": lambda: RealNVP(
        DIM, batch_norm_between_transforms=True, linear_transform="lu", **NEURONS
    ),
    "nflows_of_glasflow_context": lambda: RealNVP(
        DIM, n_conditional_inputs=CONTEXT, linear_transform="permutation",
        scale_activation="log2", **NEURONS
    ),
    "nflows_of_nessai": lambda: NessaiRealNVP(DIM, HIDDEN, 3, 2, net="mlp", actnorm=True,
                                              batch_norm_between_layers=False),
}


def loss(name, model, generator):
    context = None
    if name.endswith("context"):
        context = torch.randn(BATCH, CONTEXT, generator=generator)
    return -model.log_prob(draws(BATCH, generator, context), context).mean()


if __name__ == "__main__":
    main(FLOWS, loss, steps=200)
