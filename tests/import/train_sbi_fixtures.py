#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains posteriors of sbi for the import tests, and writes what the tests need.

    PYTHONPATH=sbi:pyknos:nflows:zuko tests/import/train_sbi_fixtures.py [NAME ...]

Needs clones of github.com/sbi-dev/sbi (0.23 or later), github.com/mackelab/pyknos and of the
libraries that they are built on.  One posterior is kept as its pickle too.
"""

import pickle
import sys

import torch

from sbi.inference.posteriors.direct_posterior import DirectPosterior
from sbi.neural_nets.net_builders import flow
from sbi.utils import BoxUniform

from fixture_training import BATCH, DIM, HERE, train, write

OBSERVED = 4
"""Numbers of an observation."""


def embedding():
    return torch.nn.Sequential(
        torch.nn.Linear(OBSERVED, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)
    )


POSTERIORS = {
    "nflows_sbi": ("build_nsf", {}, False),
    "nflows_sbi_fixed": ("build_maf", {"embedding_net": embedding()}, True),
    "zuko_sbi": ("build_zuko_maf", {}, False),
    "zuko_sbi_fixed": ("build_zuko_nsf", {"embedding_net": embedding()}, True),
}
"""A builder of sbi, its options, and whether the flow is fixed at the observation."""

PICKLED = "nflows_sbi_fixed"


def simulated():
    """Parameters, and observations far from zero: what sbi standardises has an effect."""
    theta = 4.0 * torch.rand(BATCH, DIM) - 2.0
    return theta, 100.0 + 10.0 * theta @ torch.randn(DIM, OBSERVED) + torch.randn(BATCH, OBSERVED)


def posterior(name):
    """(a trained posterior, the observation at which it is to be fixed or None)."""
    torch.manual_seed(sum(map(ord, name)))
    builder, options, fixed = POSTERIORS[name]
    theta, x = simulated()
    make = getattr(flow, builder)
    estimator = train(
        name,
        lambda: make(theta, x, hidden_features=8, num_transforms=2, **options),
        lambda name, model, generator: model.loss(theta, x).mean(),
    )
    bound = 2.0 * torch.ones(DIM)
    found = DirectPosterior(estimator, BoxUniform(-bound, bound))
    found.set_default_x(x[:1])
    return found, x[0].double().numpy() if fixed else None


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or POSTERIORS:
        found, context = posterior(name)
        write(name, found, context)
        if name == PICKLED:
            (HERE / "fixtures" / f"{name}.pkl").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
