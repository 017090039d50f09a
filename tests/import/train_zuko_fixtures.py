#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains the fixtures of zuko's monotone flows.

    PYTHONPATH=zuko tests/import/train_zuko_fixtures.py [NAME ...]

Needs a clone of github.com/probabilists/zuko, version 1.6 or later.
"""

import math

import torch

import zuko
from fixture_training import BATCH, CONTEXT, DIM, HIDDEN, draws, main

HYPER = {"hidden_features": (HIDDEN, HIDDEN)}

FLOWS = {
    "zuko_bernstein": lambda: zuko.flows.BPF(DIM, transforms=2, degree=6, **HYPER),
    "zuko_gaussianization": lambda: zuko.flows.GF(DIM, transforms=2, components=8),
    "zuko_sum_of_squares": lambda: zuko.flows.SOSPF(
        DIM, CONTEXT, transforms=2, degree=3, polynomials=2, **HYPER
    ),
    "zuko_monotone_network": lambda: zuko.flows.NAF(
        DIM, transforms=2, signal=4, network={"hidden_features": (8, 8)}, **HYPER
    ),
    "zuko_integrated_network": lambda: zuko.flows.UNAF(
        DIM, CONTEXT, transforms=2, signal=3, network={"hidden_features": (8,)}, **HYPER
    ),
    "zuko_circular": lambda: zuko.flows.NCSF(DIM, transforms=2, bins=4, slope=1e-2, **HYPER),
}


def loss(name, model, generator):
    context = None
    if name in ("zuko_sum_of_squares", "zuko_integrated_network"):
        context = torch.randn(BATCH, CONTEXT, generator=generator)
    x = draws(BATCH, generator, context)
    if name == "zuko_circular":
        x = torch.remainder(x + 2.0, 2.0 * math.pi) - math.pi
    return -model(context).log_prob(x).mean()


if __name__ == "__main__":
    main(FLOWS, loss, steps=300)
