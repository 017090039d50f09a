#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trains the flows of the import tests with the libraries themselves, and writes what the tests need.

    PYTHONPATH=nflows:normalizing-flows:zuko tests/import/train_fixtures.py [NAME ...]

Needs clones of github.com/bayesiains/nflows, github.com/VincentStimper/normalizing-flows and
github.com/probabilists/zuko; for nflows_umnn the folder models of github.com/AWehenkel/UMNN too.

The flows of VERSIONS need the version of a library that is given there, and are left out with any
other unless they are named.
"""

import sys
import types

import numpy as np
import torch

# nflows imports this package for the flow nflows_umnn alone.
try:
    import UMNN  # noqa: F401
except ImportError:
    sys.modules["UMNN"] = types.SimpleNamespace(NeuralIntegral=None, ParallelNeuralIntegral=None)

import normflows  # noqa: E402
import zuko  # noqa: E402
from nflows import distributions, flows, transforms  # noqa: E402
from nflows.nn import nets  # noqa: E402

from fixture_training import BATCH, CONTEXT, DIM, HIDDEN, draws, train, write  # noqa: E402

BINS = 6
MASK = torch.tensor([1, -1, 1])


# --- The flows ----------------------------------------------------------------------------------


def nflows_of(layers, base=None):
    base = base or distributions.StandardNormal([DIM])
    return flows.Flow(transforms.CompositeTransform(layers), base)


def residual(context=None, norm=False):
    return lambda inputs, outputs: nets.ResidualNet(
        inputs, outputs, HIDDEN, context_features=context, num_blocks=2, use_batch_norm=norm
    )


def nflows_spline(mask, **options):
    return transforms.PiecewiseRationalQuadraticCouplingTransform(
        mask, residual(), num_bins=BINS, tails="linear", tail_bound=3.0, **options
    )


def nflows_qr_sigmoid():
    """GELU, QR, and through the unit interval and back."""

    def net(inputs, outputs):
        return nets.ResidualNet(inputs, outputs, HIDDEN, activation=torch.nn.functional.gelu)

    return nflows_of([
        transforms.AffineCouplingTransform(MASK, net),
        transforms.QRLinear(DIM, 3),
        transforms.AffineCouplingTransform(-MASK, net),
        transforms.Sigmoid(),
        transforms.Logit(),
        transforms.QRLinear(DIM, 2),
    ])


def in_unit_interval(*layers):
    """Transforms of the unit interval, entered by a Sigmoid and left by a Logit."""
    halved = transforms.PointwiseAffineTransform(0.0, 0.5)
    inside = [halved, transforms.Sigmoid(), *layers, transforms.Logit()]
    return transforms.CompositeTransform([*inside, transforms.PointwiseAffineTransform(0.0, 2.0)])


def nflows_spline_kind(kind):
    """A kind of spline in every class: with linear tails, and without on the unit interval."""
    coupling = getattr(transforms, f"Piecewise{kind}CouplingTransform")
    masked = getattr(transforms, f"MaskedPiecewise{kind}AutoregressiveTransform")
    constants = getattr(transforms.nonlinearities, f"Piecewise{kind}CDF")

    def small(inputs, outputs):
        return nets.ResidualNet(inputs, outputs, 8, num_blocks=1)

    return nflows_of([
        coupling(
            MASK, small, num_bins=BINS, tails="linear", tail_bound=3.0,
            apply_unconditional_transform=True,
        ),
        in_unit_interval(
            masked(num_bins=4, features=DIM, hidden_features=8, num_blocks=1),
            coupling(-MASK, small, num_bins=4),
        ),
        constants([DIM], num_bins=BINS, tails="linear", tail_bound=3.0),
        transforms.CompositeCDFTransform(transforms.Sigmoid(), constants([DIM], num_bins=4)),
    ])


def nflows_functions():
    """Functions of each coordinate: temperatures, one of them learnt; to the positive numbers and back,
    and through (-1, 1)."""
    warm = transforms.Sigmoid(temperature=0.75, learn_temperature=True)
    return nflows_of([
        transforms.LogTanh(cut_point=1.5),
        transforms.PointwiseAffineTransform(0.02, 0.95),
        transforms.InverseTransform(transforms.LogTanh(cut_point=1.25)),
        transforms.AffineCouplingTransform(MASK, residual()),
        transforms.AffineScalarTransform(torch.tensor(0.25), torch.tensor(0.5)),
        transforms.Exp(),
        transforms.PointwiseAffineTransform(0.0, torch.tensor([0.5, 0.25, 0.75])),
        transforms.InverseTransform(transforms.Exp()),
        transforms.LULinear(DIM),
        warm,
        transforms.PointwiseAffineTransform(-1.0, 2.0),
        transforms.InverseTransform(transforms.Tanh()),
        transforms.PointwiseAffineTransform(0.0, 2.0),
        transforms.AffineCouplingTransform(-MASK, residual()),
        transforms.Sigmoid(),
        transforms.Logit(temperature=1.5),
    ])


def nflows_umnn():
    """Integrals of positive networks, in both kinds of layer."""
    options = {"integrand_net_layers": [8, 8], "cond_size": 3, "nb_steps": 20}

    def small(inputs, outputs):
        return nets.ResidualNet(inputs, outputs, 8, num_blocks=1)

    return nflows_of([
        transforms.UMNNCouplingTransform(MASK, small, solver="CC", **options),
        transforms.ReversePermutation(DIM),
        transforms.MaskedUMNNAutoregressiveTransform(DIM, 8, num_blocks=1, **options),
    ])


def nflows_context():
    return nflows_of([
        transforms.AffineCouplingTransform(MASK, residual(CONTEXT)),
        transforms.MaskedAffineAutoregressiveTransform(DIM, HIDDEN, CONTEXT),
        transforms.ReversePermutation(DIM),
        transforms.MaskedAffineAutoregressiveTransform(
            DIM, HIDDEN, CONTEXT, use_residual_blocks=False, activation=torch.tanh
        ),
    ])


def nflows_context_base():
    base = distributions.ConditionalDiagonalNormal([DIM], torch.nn.Linear(CONTEXT, 2 * DIM))
    return nflows_of([
        transforms.MaskedAffineAutoregressiveTransform(DIM, 8, CONTEXT, num_blocks=1),
        transforms.ReversePermutation(DIM),
    ], base)


def normflows_of(layers, base=None, kind=normflows.NormalizingFlow):
    return kind(base or normflows.distributions.DiagGaussian(DIM), layers)


def mlp(inputs, outputs, **options):
    sizes = [inputs, HIDDEN, HIDDEN, outputs]
    return normflows.nets.MLP(sizes, leaky=0.05, init_zeros=True, **options)


def normflows_realnvp():
    b = torch.tensor([1.0, 0.0, 1.0])
    masks = [b, 1 - b] * 3
    layers = [normflows.flows.MaskedAffineFlow(m, mlp(DIM, DIM), mlp(DIM, DIM)) for m in masks]
    loc = [[-1.0, 0.5, 0.0], [1.0, -0.5, 0.0]]
    base = normflows.distributions.GaussianMixture(2, DIM, loc=loc)
    return normflows_of([*layers, normflows.flows.ActNorm((DIM,))], base)


def normflows_nice():
    b = torch.tensor([1.0, 0.0, 1.0])
    layers = [normflows.flows.MaskedAffineFlow(m, mlp(DIM, DIM)) for m in [b, 1 - b] * 3]
    return normflows_of([*layers, normflows.flows.AffineConstFlow((DIM,))])


def normflows_blocks():
    kinds = ("exp", "sigmoid", "sigmoid_inv")
    layers = []
    for kind in kinds:
        layers += [
            normflows.flows.AffineCouplingBlock(mlp(2, 2), scale_map=kind),
            normflows.flows.Permute(DIM, mode="swap"),
        ]
    return normflows_of(layers)


def normflows_maf():
    layers = []
    for _ in range(3):
        maf = normflows.flows.MaskedAffineAutoregressive(DIM, HIDDEN)
        layers += [maf, normflows.flows.LULinearPermute(DIM)]
    return normflows_of(layers)


def normflows_coupling_spline():
    layers = []
    for k in range(2):
        spline = normflows.flows.CoupledRationalQuadraticSpline(
            DIM, 2, HIDDEN, num_bins=BINS, reverse_mask=k == 1
        )
        layers += [spline, normflows.flows.LULinearPermute(DIM)]
    return normflows_of(layers)


def normflows_autoregressive_spline():
    layers = [
        normflows.flows.AutoregressiveRationalQuadraticSpline(
            DIM, 2, HIDDEN, num_bins=BINS, permute_mask=k == 1
        )
        for k in range(2)
    ]
    return normflows_of(layers)


def normflows_context():
    options = {"num_context_channels": CONTEXT, "num_bins": BINS}
    layers = [
        normflows.flows.AutoregressiveRationalQuadraticSpline(DIM, 2, HIDDEN, **options),
        normflows.flows.CoupledRationalQuadraticSpline(DIM, 2, HIDDEN, **options),
    ]
    return normflows_of(layers, kind=normflows.ConditionalNormalizingFlow)


def normflows_planar():
    planar = [normflows.flows.Planar(DIM) for _ in range(3)]
    leaky = normflows.flows.Planar(DIM, act="leaky_relu")
    return normflows_of([*planar, leaky, normflows.flows.Radial(DIM)])


CIRCLE = 3.0


def normflows_circular(bound=CIRCLE):
    """The first and the third coordinate on circles."""
    options = {"num_bins": BINS, "tail_bound": bound}
    scale = torch.tensor([2.0 * CIRCLE, 1.0, 2.0 * CIRCLE])
    layers = [
        normflows.flows.CircularCoupledRationalQuadraticSpline(
            DIM, 2, HIDDEN, [0, 2], reverse_mask=k == 1, **options
        )
        for k in range(2)
    ]
    layers += [
        normflows.flows.PeriodicShift([0, 2], bound=CIRCLE, shift=torch.tensor([1.0, -0.5])),
        normflows.flows.CircularAutoregressiveRationalQuadraticSpline(
            DIM, 2, HIDDEN, [0, 2], activation=torch.nn.GELU, **options
        ),
        normflows.flows.PeriodicWrap([0, 2], bound=CIRCLE),
    ]
    return normflows_of(layers, normflows.distributions.UniformGaussian(DIM, [0, 2], scale))


def normflows_circles():
    """All coordinates on circles, from a uniform base density; periodic features side by side."""
    options = {"num_bins": 4, "tail_bound": CIRCLE}
    spline = normflows.flows.CircularCoupledRationalQuadraticSpline
    features = normflows.utils.nn.PeriodicFeaturesCat(2, [0, 1], np.pi / CIRCLE)

    def net(inputs, outputs):
        return normflows.nets.ResidualNet(
            2 * inputs, outputs, hidden_features=8, num_blocks=1, preprocessing=features
        )

    layers = [
        spline(DIM, 1, 8, range(DIM), **options),
        normflows.flows.PeriodicShift(range(DIM), bound=CIRCLE, shift=1.0),
        normflows.flows.Composite([
            normflows.flows.Reverse(spline(DIM, 1, 8, range(DIM), reverse_mask=True, **options)),
            normflows.flows.neural_spline.coupling.PiecewiseRationalQuadraticCoupling(
                torch.tensor([-1, 1, -1]), net, tails=["circular"] * DIM, **options
            ),
        ]),
    ]
    return normflows_of(layers, normflows.distributions.base.Uniform(DIM, -CIRCLE, CIRCLE))


def normflows_conditional_classes():
    """A class for the base density alone; a Logit and back."""
    base = normflows.distributions.base.AffineGaussian(DIM, (DIM,), CONTEXT)
    b = torch.tensor([1.0, 0.0, 1.0])
    layers = [normflows.flows.MaskedAffineFlow(m, mlp(DIM, DIM), mlp(DIM, DIM)) for m in (b, 1 - b)]
    layers += [
        normflows.transforms.Logit(0.05),
        normflows.flows.Reverse(normflows.transforms.Logit(0.05)),
        normflows.transforms.Shift(-0.25),
    ]
    return normflows_of(layers, base, normflows.ClassCondFlow)


def normflows_residual():
    """Blocks both ways round, with the networks that people use."""
    layers = []
    for k in range(4):
        net = normflows.nets.LipschitzMLP([DIM, HIDDEN, HIDDEN, DIM], lipschitz_const=0.9)
        layers.append(normflows.flows.Residual(net, reverse=k < 3, reduce_memory=False))
    return normflows_of([*layers, normflows.flows.ActNorm((DIM,))])


def normflows_conditional_base():
    base = normflows.distributions.base.ConditionalDiagGaussian(DIM, torch.nn.Linear(CONTEXT, 2 * DIM))
    options = {"num_context_channels": CONTEXT, "num_bins": BINS}
    layers = [normflows.flows.CoupledRationalQuadraticSpline(DIM, 2, HIDDEN, **options)]
    return normflows_of(layers, base, normflows.ConditionalNormalizingFlow)


SIDE, CLASSES = 8, 3


def normflows_glow(base, transform=None, **options):
    """Two levels of two blocks on images of SIDE x SIDE pixels."""
    distributions, levels = [], []
    for level in range(2):
        channels = 2 ** (3 - level)
        blocks = [normflows.flows.GlowBlock(channels, 6, leaky=0.01, **options) for _ in range(2)]
        levels.append([*blocks, normflows.flows.Squeeze()])
        side = SIDE // 2 ** (2 - level)
        distributions.append(base((channels // (1 if level == 0 else 2), side, side)))
    conditional = getattr(distributions[0], "num_classes", None) is not None
    return normflows.MultiscaleFlow(
        distributions, levels, [normflows.flows.Merge()], transform, class_cond=conditional
    )


HYPER = {"hidden_features": (HIDDEN, HIDDEN)}
SMALL = {"hidden_features": (HIDDEN,)}
RQS = {
    "univariate": zuko.transforms.MonotonicRQSTransform, "shapes": [(BINS,), (BINS,), (BINS - 1,)]
}



def zuko_elementwise_context():
    """Curves of each coordinate that depend on the context alone, then a masked layer."""
    curve = zuko.flows.ElementWiseTransform(DIM, CONTEXT, **RQS, **SMALL)
    masked = zuko.flows.MAF(DIM, CONTEXT, transforms=1, **SMALL)
    return zuko.flows.Flow([curve, masked.transform], masked.base)


def inverse_of(flow):
    """The same transforms, trained in the other direction."""
    return zuko.flows.Flow(flow.transform.inv, flow.base)


FLOWS = {
    "nflows_realnvp": lambda: flows.SimpleRealNVP(
        DIM, HIDDEN, 4, 1, batch_norm_between_layers=True, batch_norm_within_layers=True
    ),
    "nflows_nice": lambda: flows.SimpleRealNVP(DIM, HIDDEN, 4, 1, use_volume_preserving=True),
    "nflows_maf": lambda: flows.MaskedAutoregressiveFlow(
        DIM, HIDDEN, 3, 1, batch_norm_between_layers=True
    ),
    "nflows_coupling_spline": lambda: nflows_of([
        nflows_spline(MASK), transforms.LULinear(DIM, identity_init=False),
        nflows_spline(-MASK, apply_unconditional_transform=True), transforms.ActNorm(DIM),
        transforms.HouseholderSequence(DIM, 2),
    ], distributions.DiagonalNormal([DIM])),
    "nflows_autoregressive_spline": lambda: nflows_of([
        transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            DIM, HIDDEN, num_bins=BINS, tails="linear", tail_bound=3.0
        ),
        transforms.RandomPermutation(DIM), transforms.SVDLinear(DIM, 2),
        transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            DIM, HIDDEN, num_bins=BINS, tails="linear", tail_bound=3.0, use_residual_blocks=False
        ),
    ]),
    "nflows_linear_spline": lambda: nflows_spline_kind("Linear"),
    "nflows_quadratic_spline": lambda: nflows_spline_kind("Quadratic"),
    "nflows_cubic_spline": lambda: nflows_spline_kind("Cubic"),
    "nflows_rational_quadratic_spline": lambda: nflows_spline_kind("RationalQuadratic"),
    "nflows_functions": nflows_functions,
    "nflows_umnn": nflows_umnn,
    "nflows_context": nflows_context,
    "nflows_qr_sigmoid": nflows_qr_sigmoid,
    "normflows_realnvp": normflows_realnvp,
    "normflows_nice": normflows_nice,
    "normflows_blocks": normflows_blocks,
    "normflows_maf": normflows_maf,
    "normflows_coupling_spline": normflows_coupling_spline,
    "normflows_autoregressive_spline": normflows_autoregressive_spline,
    "normflows_context": normflows_context,
    "normflows_planar": normflows_planar,
    "normflows_residual": normflows_residual,
    "normflows_conditional_base": normflows_conditional_base,
    "normflows_conditional_classes": normflows_conditional_classes,
    "normflows_circles": normflows_circles,
    "normflows_circular": normflows_circular,
    "normflows_circular_bounds": lambda: normflows_circular(torch.tensor([CIRCLE, 3.5, CIRCLE])),
    "normflows_glow": lambda: normflows_glow(
        normflows.distributions.DiagGaussian, normflows.transforms.Logit(0.05)
    ),
    "normflows_glow_classes": lambda: normflows_glow(
        lambda shape: normflows.distributions.ClassCondDiagGaussian(shape, CLASSES),
        normflows.transforms.Shift(), use_lu=False, scale_map="exp", net_actnorm=True,
    ),
    "normflows_glow_base": lambda: normflows_glow(
        lambda shape: normflows.distributions.GlowBase(shape, CLASSES),
        split_mode="checkerboard", scale_map="sigmoid_inv",
    ),
    "normflows_glow_additive": lambda: normflows_glow(
        normflows.distributions.GlowBase, split_mode="channel_inv", scale=False
    ),
    "zuko_realnvp": lambda: zuko.flows.RealNVP(DIM, transforms=4, activation=torch.nn.Tanh, **HYPER),
    "zuko_nice": lambda: zuko.flows.NICE(
        DIM, transforms=4, univariate=zuko.transforms.AdditiveTransform, shapes=[()], **HYPER
    ),
    "zuko_maf": lambda: zuko.flows.MAF(
        DIM, transforms=3, randperm=True, residual=True, activation=torch.nn.SiLU, **HYPER
    ),
    "zuko_coupling_spline": lambda: zuko.flows.NICE(
        DIM, transforms=2, activation=torch.nn.ELU, normalize=True, **RQS, **HYPER
    ),
    "zuko_autoregressive_spline": lambda: zuko.flows.NSF(DIM, transforms=2, bins=BINS, **HYPER),
    "zuko_context": lambda: zuko.flows.NSF(DIM, CONTEXT, transforms=2, bins=BINS, **HYPER),
    "zuko_elementwise_context": zuko_elementwise_context,
    "zuko_inverse": lambda: inverse_of(zuko.flows.NSF(DIM, transforms=2, bins=BINS, **SMALL)),
    "nflows_context_base": nflows_context_base,
    "nflows_single": lambda: flows.SimpleRealNVP(DIM, 4, 2, 1).float(),
    "zuko_0_3_context": lambda: zuko.flows.NSF(DIM, CONTEXT, transforms=1, bins=BINS, **SMALL),
    "zuko_1_1_context": lambda: zuko.flows.NSF(DIM, CONTEXT, transforms=1, bins=BINS, **SMALL),
    "zuko_1_5_maf": lambda: zuko.flows.MAF(DIM, transforms=2, randperm=True, **SMALL),
}

VERSIONS = {
    "zuko_0_3_context": (zuko, "0.3.2"),
    "zuko_1_1_context": (zuko, "1.1.0"),
    "zuko_1_5_maf": (zuko, "1.5.0"),
}
"""The library and its version by which a flow is to be made."""


# --- Training -----------------------------------------------------------------------------------


def images(count, generator):
    """(images in (0, 1), their classes): a soft blob, wider from class to class, somewhere."""
    classes = torch.randint(CLASSES, (count,), generator=generator)
    row, column = (SIDE * (0.25 + 0.5 * torch.rand(count, 1, 1, generator=generator)) for _ in "xy")
    at = torch.arange(SIDE, dtype=torch.float32)
    distance = (at[:, None] - row) ** 2 + (at - column) ** 2
    blob = 0.1 + 0.75 * torch.exp(-distance / (2.0 + 3.0 * classes[:, None, None]))
    return (blob + 0.1 * torch.rand(blob.shape, generator=generator))[:, None], classes


def log_density(name, model, x, context):
    if name.startswith("zuko"):
        return model(context).log_prob(x)
    return model.log_prob(x) if context is None else model.log_prob(x, context)


def loss(name, model, generator):
    """Minus the mean log density of draws; planar flows, which cannot go from data to noise, learn a
    density instead: a bent normal."""
    if name == "normflows_planar":
        z, log_q = model.q0(BATCH)
        x, log_det = model.forward_and_log_det(z)
        energy = 0.5 * x[:, 0] ** 2 + 2.0 * (x[:, 1] - torch.sin(x[:, 0])) ** 2 + 0.5 * x[:, 2] ** 2
        return (log_q - log_det + energy).mean()
    if "residual" in name:
        normflows.utils.update_lipschitz(model, 5)
    if "glow" in name:
        x, classes = images(BATCH // 4, generator)
        return -model.log_prob(x, classes if model.class_cond else None).mean()
    conditional = "context" in name or "conditional" in name
    context = torch.randn(BATCH, CONTEXT, generator=generator) if conditional else None
    return -log_density(name, model, draws(BATCH, generator, context), context).mean()


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or [name for name in FLOWS if name not in VERSIONS]:
        library, version = VERSIONS.get(name, (None, None))
        found = getattr(library, "__version__", None)
        if found != version:
            sys.exit(f"{name}: expected {library.__name__} {version}, found {found}")
        write(name, train(name, FLOWS[name], loss))


if __name__ == "__main__":
    main()
