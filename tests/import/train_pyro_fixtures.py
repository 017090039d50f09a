#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains the fixtures of pyro.

    PYTHONPATH=pyro tests/import/train_pyro_fixtures.py [NAME ...]

Needs a clone of github.com/pyro-ppl/pyro and what it imports.
"""

import torch
from torch import nn

import pyro.distributions as dist
import pyro.distributions.transforms as made
import pyro.nn
from fixture_training import BATCH, CONTEXT, DIM, HIDDEN, draws, main
from flotilla_tools.importing.pyro import PyroFlow, through

SPLIT, BINS = 1, 4


def flow(*transforms, scale=1.0, context=False):
    kind = dist.ConditionalTransformedDistribution if context else dist.TransformedDistribution
    base = dist.Normal(torch.zeros(DIM), scale * torch.ones(DIM)).to_event(1)
    return PyroFlow(kind(base, list(transforms)))


def dense(inputs, sizes, context=0):
    if context:
        return pyro.nn.ConditionalDenseNN(inputs, context, [HIDDEN, HIDDEN], sizes)
    return pyro.nn.DenseNN(inputs, [HIDDEN, HIDDEN], sizes, nonlinearity=nn.ELU())


def masked(sizes, context=0):
    if context:
        return pyro.nn.ConditionalAutoRegressiveNN(DIM, context, [HIDDEN], sizes)
    return pyro.nn.AutoRegressiveNN(DIM, [HIDDEN], sizes, nonlinearity=nn.Tanh())


def turned():
    return made.Permute(torch.tensor([2, 0, 1]))


def coupling():
    sizes = [DIM - SPLIT, DIM - SPLIT]
    parts = []
    for _ in range(3):
        parts += [made.AffineCoupling(SPLIT, dense(SPLIT, sizes)), turned()]
    return flow(*parts, made.AffineTransform(torch.tensor(0.25), torch.tensor(1.5)), scale=0.75)


def autoregressive():
    """One that samples at once, and one the other way round, which is MAF."""
    return flow(
        made.AffineAutoregressive(masked([1, 1]), log_scale_min_clip=-1.0),
        made.BatchNorm(DIM),
        made.AffineAutoregressive(masked([1, 1])).inv,
    )


def spline_coupling(order):
    count = DIM - SPLIT
    sizes = [count * BINS, count * BINS, count * (BINS - 1), count * BINS]
    sizes = sizes if order == "linear" else sizes[:3]
    parts = []
    for identity in (False, True):
        net = dense(SPLIT, sizes)
        parts += [
            made.SplineCoupling(DIM, SPLIT, net, BINS, 3.0, order, identity), turned()
        ]
    return flow(*parts, made.Spline(DIM, BINS, 3.0, order))


def spline_autoregressive():
    sizes = [BINS, BINS, BINS - 1, BINS]
    return flow(
        made.SplineAutoregressive(DIM, masked(sizes), BINS, 3.0),
        turned(),
        made.SplineAutoregressive(DIM, masked(sizes), BINS, 3.0),
    )


def conditional():
    sizes = [BINS, BINS, BINS - 1, BINS]
    affine = dense(SPLIT, [DIM - SPLIT, DIM - SPLIT], CONTEXT)
    of_context = dense(CONTEXT, [DIM * size for size in sizes])
    return flow(
        made.ConditionalAffineCoupling(SPLIT, affine),
        turned(),
        made.ConditionalAffineAutoregressive(masked([1, 1], CONTEXT)),
        made.ConditionalSplineAutoregressive(DIM, masked(sizes, CONTEXT), count_bins=BINS),
        made.ConditionalSpline(of_context, DIM, BINS),
        context=True,
    )


FLOWS = {
    "pyro_coupling": coupling,
    "pyro_autoregressive": autoregressive,
    "pyro_spline_coupling": lambda: spline_coupling("linear"),
    "pyro_quadratic_spline_coupling": lambda: spline_coupling("quadratic"),
    "pyro_spline_autoregressive": spline_autoregressive,
    "pyro_context": conditional,
}


def loss(name, model, generator):
    context = torch.randn(BATCH, CONTEXT, generator=generator) if name == "pyro_context" else None
    z, log_det = through(model, draws(BATCH, generator, context), context, backwards=True)
    return -(model.base.log_prob(z) + log_det).mean()


if __name__ == "__main__":
    main(FLOWS, loss, steps=250)
