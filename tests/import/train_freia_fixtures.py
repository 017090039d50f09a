#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains the fixtures of FrEIA.

    PYTHONPATH=FrEIA tests/import/train_freia_fixtures.py [NAME ...]

Needs a clone of github.com/vislearn/FrEIA.
"""

import math

import torch
from torch import nn

import FrEIA.framework as frame
import FrEIA.modules as blocks
from fixture_training import BATCH, CONTEXT, DIM, HIDDEN, draws, main


def relu(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


def deep(inputs, outputs):
    """Normalised, with dropout, nested."""
    first = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ELU(0.5))
    return nn.Sequential(
        first, nn.Linear(HIDDEN, HIDDEN), nn.LayerNorm(HIDDEN), nn.Dropout(0.1), nn.Tanh(),
        nn.utils.weight_norm(nn.Linear(HIDDEN, outputs)),
    )


def sequence(*parts, sizes=None):
    model = frame.SequenceINN(DIM)
    for kind, options in parts:
        model.append(kind, **options)
    return model


def all_in_one():
    return sequence(
        (blocks.AllInOneBlock, {"subnet_constructor": relu}),
        (blocks.AllInOneBlock, {"subnet_constructor": deep, "global_affine_type": "SIGMOID",
                                "permute_soft": True}),
        (blocks.AllInOneBlock, {"subnet_constructor": relu, "global_affine_type": "EXP",
                                "reverse_permutation": True, "affine_clamping": 1.0}),
        (blocks.AllInOneBlock, {"subnet_constructor": relu, "permute_soft": True,
                                "learned_householder_permutation": 2}),
    )


def affine_blocks():
    """Every clamp; one block each way round."""
    model = sequence(
        (blocks.GLOWCouplingBlock, {"subnet_constructor": deep, "clamp": 1.5}),
        (blocks.ActNorm, {}),
        (blocks.PermuteRandom, {"seed": 1}),
        (blocks.RNVPCouplingBlock, {"subnet_constructor": relu, "clamp_activation": "TANH"}),
        (blocks.FixedLinearTransform,
         {"M": torch.eye(DIM) + 0.3 * torch.randn(DIM, DIM), "b": torch.randn(DIM)}),
        (blocks.AffineCouplingOneSided,
         {"subnet_constructor": relu, "clamp_activation": "SIGMOID", "split_len": 1}),
    )
    turned = blocks.GLOWCouplingBlock([(DIM,)], subnet_constructor=relu)
    model.append(frame.sequence_inn.Inverse(turned))
    return model


def graph(make_block, count, context=False):
    nodes = [frame.InputNode(DIM, name="input")]
    conditions = [frame.ConditionNode(size) for size in (1, CONTEXT - 1)] if context else []
    for k in range(count):
        kind, options = make_block(k)
        where = conditions if k % 2 == 0 else conditions[1:]
        nodes.append(frame.Node(nodes[-1], kind, options, conditions=where, name=f"block {k}"))
        if not context:
            nodes.append(frame.Node(nodes[-1], blocks.PermuteRandom, {"seed": k}))
    nodes.append(frame.OutputNode(nodes[-1], name="output"))
    return frame.GraphINN(nodes + conditions)


def context_block(k):
    kinds = (blocks.GLOWCouplingBlock, blocks.RNVPCouplingBlock, blocks.AllInOneBlock,
             blocks.ConditionalAffineTransform)
    return kinds[k], {"subnet_constructor": relu}


def from_noise():
    """A network from noise to data, trained and sampled in its forward direction."""
    model = graph(lambda k: (blocks.GLOWCouplingBlock, {"subnet_constructor": relu}), 3)
    model.sampling_direction = "forward"
    return model


FLOWS = {
    "freia_all_in_one": all_in_one,
    "freia_affine_blocks": affine_blocks,
    "freia_nice": lambda: graph(
        lambda k: (blocks.NICECouplingBlock, {"subnet_constructor": relu}), 3
    ),
    "freia_context": lambda: graph(context_block, 4, context=True),
    "freia_forward": from_noise,
}


def loss(name, model, generator):
    conditions = []
    context = None
    if name == "freia_context":
        context = torch.randn(BATCH, CONTEXT, generator=generator)
        conditions = [context[:, :1], context[:, 1:]]
    forward = getattr(model, "sampling_direction", "reverse") == "forward"
    z, log_det = model(draws(BATCH, generator, context), c=conditions, rev=forward)
    return (0.5 * (z**2).sum(dim=1) + 0.5 * DIM * math.log(2.0 * math.pi) - log_det).mean()


if __name__ == "__main__":
    main(FLOWS, loss)
