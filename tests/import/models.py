# SPDX-License-Identifier: BSD-3-Clause
"""Functions that make models, for --model: good ones, and each kind that fails."""

import nflows
import sbi
import torch
from torch import nn

DIM, CONTEXT = 3, 2


def _flow(layers=2, hidden=6, context=None, embedding=None):
    torch.manual_seed(4)
    halves = [([0, 2], [1]), ([1], [0, 2])]
    parts = [nflows.PointwiseAffineTransform(torch.tensor([0.5, -1.0, 2.0]), torch.tensor(0.7))]
    parts += [
        nflows.AffineCouplingTransform(*halves[k % 2], hidden, context) for k in range(layers)
    ]
    base = nflows.StandardNormal([DIM])
    return nflows.Flow(nflows.CompositeTransform(parts), base, embedding)


def make_flow():
    return _flow()


def make_single():
    return _flow().float()


def make_leaky():
    flow = _flow()
    flow._transform._transforms.append(nflows.LeakyReLU())
    return flow


def make_compiled():
    """As torch.compile wraps a model: its entries begin with _orig_mod."""
    whole = nn.Module()
    whole._orig_mod = _flow()
    return whole


def make_conditional():
    return _flow(context=CONTEXT)


def embedding():
    torch.manual_seed(6)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, CONTEXT))


def make_embedded():
    return _flow(context=CONTEXT, embedding=embedding())


def _posterior(embedding_net):
    flow = _flow(context=CONTEXT, embedding=embedding_net)
    bound = torch.distributions.Uniform(-2.0 * torch.ones(DIM), 2.0 * torch.ones(DIM))
    prior = torch.distributions.Independent(bound, 1)
    size = 4 if isinstance(embedding_net[-1], nn.Linear) else CONTEXT
    estimator = sbi.NFlowsFlow(flow, (size,))
    return sbi.DirectPosterior(estimator, prior, torch.linspace(-1.0, 2.0, size)[None])


def make_posterior():
    standardised = sbi.Standardize(torch.tensor([100.0, -3.0]), torch.tensor([10.0, 0.1]))
    return _posterior(nn.Sequential(standardised, nn.Identity()))


def make_embedded_posterior():
    return _posterior(embedding())


def make_wider():
    return _flow(hidden=9)


def make_longer():
    return _flow(layers=3)


def make_unknown_layer():
    flow = _flow()
    flow._transform._transforms.append(nflows.NaiveNeuralTransform())
    return flow


def make_unknown_scale():
    flow = _flow()
    flow._transform._transforms[1].scale_activation = torch.exp
    return flow


def make_broken():
    """A layer without what every such layer has."""
    flow = _flow()
    del flow._transform._transforms[1].transform_net
    return flow


def make_wrapped():
    whole = nn.Module()
    whole.flow = _flow()
    return whole


class OwnFlow(nn.Module):
    """A user's own flow: scale and shift of the last two coordinates depend on the first."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(1, 4)
        self.register_buffer("centre", torch.zeros(2))

    def _parts(self, points):
        log_scale, shift = self.net(points[:, :1]).chunk(2, 1)
        return torch.tanh(log_scale), shift + self.centre

    def forward(self, z):
        log_scale, shift = self._parts(z)
        rest = z[:, 1:] * torch.exp(log_scale) + shift
        return torch.cat([z[:, :1], rest], dim=1), log_scale.sum(dim=1)

    def inverse(self, x):
        log_scale, shift = self._parts(x)
        rest = (x[:, 1:] - shift) * torch.exp(-log_scale)
        return torch.cat([x[:, :1], rest], dim=1), -log_scale.sum(dim=1)


def make_own():
    torch.manual_seed(8)
    return OwnFlow()


def make_network():
    return nn.Linear(3, 3)


def make_nothing():
    return None


def make_mcmc():
    return sbi.MCMCPosterior()


def make_with(dim, hidden=4):
    return _flow(hidden=hidden)


def make_failing():
    raise KeyError("no such dataset")


def make_exit():
    raise SystemExit(3)


NOT_A_FUNCTION = 3
MODULE = nn.Linear(2, 2)
