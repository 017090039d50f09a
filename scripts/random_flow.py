#!/usr/bin/python3
"""Writes an untrained flow of a given shape as a flow file, for tests and benchmarks.

    random_flow.py -o random.h5 --dim 784 --layers 8 --widths 512,512 --seed 1
    random_flow.py -o every_type.h5 --dim 6 --layers 4 --widths 32 --activation silu --extras
    random_flow.py -o shear.h5 --shear 0.7

The couplings have random weights, scaled layer by layer until their outputs, log scale and shift,
spread by 0.3 over standard normal draws (less where the tails are heavy): nonlinear, far from the
identity, and invertible in single precision.  A flow that is not is refused.

--extras puts layers of every other type first: a logit that undoes a sigmoid after the unit interval
was shrunk between the two, linear and planar maps, couplings and autoregressive layers of every map,
some the other way round.  The image of such a flow is not the whole space: invert only f(z).

--shear writes x1 = z1, x2 = z2 exp(A z1): log|det dx/dz| = A z1, and every moment is a formula.
"""

import argparse
import copy
import math
import sys
from pathlib import Path

import numpy as np
import torch

from flow_bases import DiagonalNormal, GaussianMixture, StandardNormal, UniformBox
from flow_conditioners import (
    ACTIVATIONS,
    Conditioner,
    ContextTerm,
    Convolutional,
    FlowFileError,
    Program,
)
from flow_layers import (
    AdditiveMap,
    AffineCoupling,
    AffineMap,
    Autoregressive,
    Coupling,
    DiagonalAffine,
    First,
    Householder,
    Inverted,
    Linear,
    LULinear,
    Logit,
    PerPixel,
    Permutation,
    Planar,
    Radial,
    Sigmoid,
    SplineMap,
    Squeeze,
    Sylvester,
)
from flow_torch import Flow, half_masks, save_flow
from threads import set_threads
from train_flow import positive

OUTPUT_SPREAD = 0.3
"""Standard deviation of a coupling's log scale (nats) and shift over standard normal draws."""

LARGEST_OUTPUT = 1.0
"""Largest magnitude of either among the calibration draws."""

HIDDEN_GAIN = 1.5
"""Standard deviation of what enters a hidden unit, for inputs of unit variance."""

CALIBRATION_DRAWS = 2048
SEQUENTIAL_DRAWS = 64
"""Where a direction takes a pass of the conditioner for every coordinate."""

LARGEST_IMAGE = 1e3
"""Largest |x| of a flow worth writing, which only activations without a bound can exceed."""

LARGEST_ROUND_TRIP = 1e-3
"""Largest |f^-1(f(z)) - z| in single precision, in latent units, of a flow worth writing."""

PRECISIONS = {"float": torch.float32, "double": torch.float64}


# --- Random flows -------------------------------------------------------------------------------


def random_flow(options):
    """The flow that the options describe, in double precision; a function of them alone."""
    rng = np.random.default_rng(options.seed)
    base = random_base(options.base, options.dim, options.seed)
    z = normals((CALIBRATION_DRAWS, options.dim), rng)
    layers = extra_layers(options.dim, rng) if options.extras else []
    z, _ = Flow(options.dim, layers)(z)
    for layer in LAYERS[options.kind](z, options, rng):
        layers.append(layer)
    flow = Flow(options.dim, layers, base, options.context)
    if options.context > 0:
        add_context_terms(flow, options.context, options.seed)
    return flow.requires_grad_(False)


SPLINE = SplineMap(8, 3.0)


def random_couplings(z, options, rng):
    """Couplings of the kind, each calibrated on the draws z [n x dim] as they reach it."""
    coordinate_map = SPLINE if options.kind == "spline" else AffineMap()
    for mask in half_masks(options.dim, options.layers, rng):
        layer = random_coupling(mask, coordinate_map, z, options, rng)
        z, _ = layer(z)
        yield layer


def random_autoregressives(z, options, rng):
    """Affine autoregressive layers whose order turns round from one to the next; the inverse of each
    where the kind is maf: then sampling is the sequential direction."""
    for k in range(options.layers):
        order = np.arange(options.dim)[:: 1 if k % 2 == 0 else -1].copy()
        hidden = [np.arange(width) % options.dim for width in options.widths]
        degrees = [order + 1, *hidden, np.tile(order, 2)]
        net = random_conditioner([len(d) for d in degrees], options, rng)
        for linear, below, above in zip(net.maps, degrees[:-1], degrees[1:]):
            linear.weight.mul_(torch.from_numpy(below[None, :] <= above[:, None]))
        calm(net, z)
        layer = Autoregressive(order, AffineMap(), net)
        z, _ = layer(z)
        yield Inverted(layer) if options.kind == "maf" else layer


KERNELS = ((3, 3), (1, 1), (3, 3))


def random_glow(z, options, rng):
    """A Glow on square images of one channel, of as many levels as their size can be halved, two at
    most; --layers counts the steps of a level, --widths are the hidden channels."""
    side = math.isqrt(options.dim)
    if side * side != options.dim or side % 2 or len(options.widths) + 1 != len(KERNELS):
        raise FlowFileError(
            f"expected --dim to be the square of an even number and {len(KERNELS) - 1} widths, "
            f"found {options.dim} and {len(options.widths)}"
        )
    levels = []
    shape = (1, side, side)
    while len(levels) < 2 and shape[1] % 2 == 0:
        squeeze, shape = Squeeze(shape), (4 * shape[0], shape[1] // 2, shape[2] // 2)
        levels.insert(0, (shape, squeeze))
        shape = (shape[0] // 2, *shape[1:])
    for shape, squeeze in levels:
        count = math.prod(shape)
        for _ in range(options.layers):
            for layer in random_glow_step(shape, z[:, :count], options, rng):
                layer = layer if count == options.dim else First(layer, count)
                z, _ = layer(z)
                yield layer
        yield Inverted(squeeze) if count == options.dim else First(Inverted(squeeze), count)
        z, _ = Inverted(squeeze if count == options.dim else First(squeeze, count))(z)


def random_glow_step(image, z, options, rng):
    """A coupling of half the channels, a 1 x 1 convolution, a scale and shift of each channel."""
    channels, pixels = image[0], image[1] * image[2]
    kept = channels // 2
    coordinates = np.arange(channels * pixels)
    mask = (coordinates < kept * pixels).astype(np.int8)
    widths = [kept, *options.widths, 2 * (channels - kept)]
    net = Conditioner(widths, options.activation, kernels=KERNELS).double().requires_grad_(False)
    fill(net, rng)
    conditioner = Convolutional(
        net, image, coordinates[mask == 1], coordinates[mask == 0], parameters=2
    )
    yield Coupling(mask, AffineMap(), conditioner)
    rotation = np.linalg.qr(rng.standard_normal((channels, channels)))[0]
    yield PerPixel(Linear(rotation, np.zeros(channels)), pixels)
    scale, shift = rng.uniform(0.8, 1.2, channels), rng.uniform(-0.2, 0.2, channels)
    yield PerPixel(DiagonalAffine(scale, shift), pixels)


LAYERS = {
    "affine": random_couplings,
    "glow": random_glow,
    "spline": random_couplings,
    "iaf": random_autoregressives,
    "maf": random_autoregressives,
}


def random_coupling(mask, coordinate_map, z, options, rng):
    """A coupling whose outputs spread by OUTPUT_SPREAD at most, over the draws z [n x dim]."""
    kept = int(mask.sum())
    widths = [kept, *options.widths, coordinate_map.parameters * (len(mask) - kept)]
    net = random_conditioner(widths, options, rng)
    coupling = Coupling(mask, coordinate_map, net)
    if options.kind == "affine":
        coupling = AffineCoupling(mask, net)
    calm(net, z[:, coupling.kept])
    return coupling


def random_conditioner(widths, options, rng):
    net = Conditioner(widths, options.activation).double().requires_grad_(False)
    for linear in net.maps:
        fan_in = linear.weight.shape[1]
        linear.weight.copy_(HIDDEN_GAIN / fan_in**0.5 * normals(linear.weight.shape, rng))
        linear.bias.copy_(OUTPUT_SPREAD * normals(linear.bias.shape, rng))
    return net


def calm(net, inputs):
    """Scales a conditioner's outputs down to OUTPUT_SPREAD over these inputs [n x dim]."""
    outputs = net(inputs)
    spread, largest = outputs.std(dim=0).mean(), outputs.abs().max()
    net.maps[-1].weight.mul_(torch.minimum(OUTPUT_SPREAD / spread, LARGEST_OUTPUT / largest))
    net.maps[-1].bias.zero_()


BASES = ("standard_normal", "diagonal_normal", "gaussian_mixture", "uniform_box")
COMPONENTS = 3


def random_base(kind, dim, seed):
    """A base density near the standard normal: the couplings are calibrated on that."""
    rng = np.random.default_rng([seed, 2])
    if kind == "diagonal_normal":
        return DiagonalNormal(rng.uniform(-0.5, 0.5, dim), rng.uniform(0.5, 1.2, dim))
    if kind == "gaussian_mixture":
        weights, shape = rng.uniform(0.2, 1.0, COMPONENTS), (COMPONENTS, dim)
        loc, scale = rng.uniform(-1.0, 1.0, shape), rng.uniform(0.3, 0.8, shape)
        return GaussianMixture(weights / weights.sum(), loc, scale)
    if kind == "uniform_box":
        return UniformBox(rng.uniform(-2.0, -1.0, dim), rng.uniform(1.0, 2.0, dim))
    return StandardNormal(dim)


def add_context_terms(flow, size, seed):
    """A sum, a sum through an activation and a gate, on every linear map in turn."""
    rng = np.random.default_rng([seed, 3])
    places = [
        (module, k, len(linear.bias))
        for module in flow.modules() if hasattr(module, "terms")
        for k, linear in enumerate(module.maps)
    ]
    for turn, (module, k, width) in enumerate(places):
        def draw(*shape):
            return 0.3 * normals(shape, rng)

        activation = "silu" if turn % 3 == 1 else None
        bias = draw(width) if turn % 2 == 0 else None
        add = (draw(width, size), bias, activation) if turn % 3 != 2 else None
        gate = (draw(width, size), draw(width)) if turn % 3 != 1 else None
        module.terms[str(k)] = ContextTerm(add, gate)
    flow.at_context(np.zeros(size))


def extra_layers(dim, rng):
    """The other types, for standard normal draws; so that the sigmoid does not saturate."""
    signs = rng.choice([-1.0, 1.0], dim)
    return [
        DiagonalAffine(signs * rng.uniform(0.4, 0.8, dim), rng.uniform(-0.5, 0.5, dim)),
        Permutation(rng.permutation(dim)),
        Sigmoid(),
        Permutation(rng.permutation(dim)),
        DiagonalAffine(np.full(dim, 0.9), np.full(dim, 0.05)),
        Logit(),
        lu_linear(dim, rng),
        Householder(normals((3, dim), rng)),
        planar(dim, "tanh", rng),
        Inverted(planar(dim, "leaky_relu", rng)),
        Radial(0.5 * normals((dim,), rng), 1.0, 0.75),
        sylvester(dim, rng),
        Linear(np.eye(dim) + 0.3 / dim**0.5 * rng.standard_normal((dim, dim)), np.ones(dim)),
        *conditioned_layers(dim, rng),
        *(image_layers(rng) if dim >= 4 else []),
    ]


def image_layers(rng):
    """Those that only an image has, on the first four coordinates."""
    image, coordinates = (1, 2, 2), np.arange(4)
    mask = np.array([1, 0, 0, 1])  # a checkerboard
    kernels = [(3, 3), (1, 3), (3, 1)]
    net = Program("linear ( silu linear affine ) linear", [1, 3, 3, 2], kernels=kernels)
    fill(net.double().requires_grad_(False), rng)
    conditioner = Convolutional(net, image, coordinates[mask == 1], coordinates[mask == 0], 2)
    return [
        First(Coupling(mask, AffineMap("tanh", bound=0.5), conditioner), 4),
        First(Squeeze(image), 4),
        First(PerPixel(LULinear(np.array([[1.0, 0.0], [0.5, 1.0]]), np.diag([0.8, -1.1]),
                                np.array([0.1, 0.2])), 2), 4),
    ]


def planar(dim, activation, rng):
    """A bend of moderate strength, w.u = 0.5, across a random direction."""
    w, across = normals((2, dim), rng)
    u = 0.2 * (across - (across @ w) / (w @ w) * w) + 0.5 * w / (w @ w)
    return Planar(u, w, 0.3, activation)


def sylvester(dim, rng):
    """Two units along random directions, 1 + r s h' in [0.5, 1] and [1, 1.5]."""
    units = min(2, dim)
    vectors = rng.standard_normal((units, dim))
    r, s = (np.triu(0.5 * rng.standard_normal((units, units)), 1) for _ in range(2))
    signs = np.array([-1.0, 1.0])[:units]
    return Sylvester(vectors, r + np.diag(0.5 * signs), s + np.eye(units), rng.standard_normal(units))


def lu_linear(dim, rng):
    """Factors near the identity, with signs."""
    lower, upper = (0.4 / dim**0.5 * rng.standard_normal((dim, dim)) for _ in range(2))
    signs = np.diag(rng.choice([-1.0, 1.0], dim))
    bias = rng.standard_normal(dim)
    return LULinear(np.tril(lower, -1) + np.eye(dim), np.triu(upper, 1) + signs, bias)


PROGRAM = "linear ( silu linear affine tanh linear ) layer_norm silu linear"
MASKED_PROGRAM = "linear ( silu linear tanh linear ) silu linear"


def conditioned_layers(dim, rng):
    """Couplings and autoregressive layers of every map, in several parameterisations."""
    mask = half_masks(dim, 1, rng)[0]
    order = rng.permutation(dim)
    additive, spline = AdditiveMap(), SplineMap(5, 3.0)
    circle = SplineMap(4, 2.5, tails="circular", parameterization="softclip")
    sigmoid = AffineMap("sigmoid", "before", floor=1e-3)
    return [
        conditioned_coupling(mask, additive, rng),
        conditioned_coupling(1 - mask, spline, rng),
        conditioned_coupling(mask, circle, rng),
        conditioned_coupling(1 - mask, AffineMap("softclip", bound=3.0), rng),
        Inverted(masked_layer(order, sigmoid, rng)),
        masked_layer(order, AffineMap("tanh", bound=0.5), rng),
        Inverted(masked_layer(order[::-1], spline, rng)),
        masked_layer(order, additive, rng),
    ]


def conditioned_coupling(mask, coordinate_map, rng):
    kept = int(mask.sum())
    outputs = coordinate_map.parameters * (len(mask) - kept)
    net = Program(PROGRAM, [kept, 8, 9, 8, outputs]).double().requires_grad_(False)
    fill(net, rng)
    return Coupling(mask, coordinate_map, net)


def masked_layer(order, coordinate_map, rng):
    """An autoregressive layer whose weights are masked as MADE's: Germain et al. (2015)."""
    order = np.array(order)
    dim = len(order)
    outputs = coordinate_map.parameters * dim
    net = Program(MASKED_PROGRAM, [dim, 12, 12, 12, outputs]).double().requires_grad_(False)
    fill(net, rng)
    hidden = np.arange(12) % dim
    degrees = [order + 1, hidden, hidden, hidden, np.tile(order, coordinate_map.parameters)]
    for linear, below, above in zip(net.maps, degrees[:-1], degrees[1:]):
        linear.weight.mul_(torch.from_numpy(below[None, :] <= above[:, None]))
    return Autoregressive(order, coordinate_map, net)


def fill(net, rng):
    """Random weights, the outputs of a size with which flows stay far from the identity and tame."""
    for linear in net.maps:
        fan_in = max(1, linear.weight[0].numel())
        linear.weight.copy_(normals(linear.weight.shape, rng) / fan_in**0.5)
        linear.bias.copy_(OUTPUT_SPREAD * normals(linear.bias.shape, rng))
    net.maps[-1].weight.mul_(OUTPUT_SPREAD)
    for norm in getattr(net, "norms", ()):
        norm.add_(0.2 * normals(norm.shape, rng))


def shear_flow(strength):
    """x1 = z1, x2 = z2 exp(strength z1): a coupling whose conditioner is one linear map."""
    net = Conditioner([1, 2]).double().requires_grad_(False)
    net.maps[0].weight[0, 0] = strength
    return Flow(2, [AffineCoupling([1, 0], net)]).requires_grad_(False)


def normals(shape, rng):
    return torch.from_numpy(rng.standard_normal(tuple(shape)))


def check(flow, seed):
    """Refuses a flow that explodes, or loses its latent points in single precision."""
    sequential = any(hasattr(module, "sequence") for module in flow.modules())
    draws = SEQUENTIAL_DRAWS if sequential else CALIBRATION_DRAWS
    z = normals((draws, flow.dim), np.random.default_rng([seed, 1])).float()
    single = copy.deepcopy(flow).float()
    x, _ = single(z)
    largest = float(x.abs().max())
    error = float((single.inverse(x)[0] - z).abs().max())
    if not (largest <= LARGEST_IMAGE and error <= LARGEST_ROUND_TRIP):
        raise FlowFileError(
            f"expected |f(z)| up to {LARGEST_IMAGE:g} and f^-1(f(z)) within {LARGEST_ROUND_TRIP:g} "
            f"of z in single precision, found {largest:.1e} and {error:.1e}: use fewer layers, or "
            "another seed or activation"
        )


# --- Command line -------------------------------------------------------------------------------


def widths(text):
    """The sizes of hidden layers from "64,64"; none from an empty text."""
    sizes = [int(word) for word in text.split(",") if word]
    if any(size < 1 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected sizes of at least 1, found {text}")
    return sizes


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--dim", type=positive(int), default=2, help="coordinates (default %(default)s)")
    add("--kind", choices=LAYERS, default="affine", help="of the layers (default %(default)s)")
    add("--layers", type=positive(int), default=8, help="of that kind (default %(default)s)")
    add("--widths", type=widths, default="64,64", help="of hidden layers (default %(default)s)")
    add("--activation", choices=ACTIVATIONS, default="tanh", help="(default %(default)s)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--extras", action="store_true", help="put layers of all other types first")
    add("--base", choices=BASES, default=BASES[0], help="density of z (default %(default)s)")
    add("--context", type=int, default=0, metavar="N", help="make it conditional on N numbers")
    add("--shear", type=float, metavar="A", help="write the shear flow instead, of dimension 2")
    add("--precision", choices=PRECISIONS, help="of the weights (default float; --shear: double)")
    options = parser.parse_args(arguments)
    if options.dim < 2:
        parser.error("expected --dim of at least 2, found 1: a coupling has to keep a coordinate")
    if options.seed < 0:
        parser.error(f"expected --seed of at least 0, found {options.seed}")
    return options


def provenance(options):
    """What a reader of the file should know of where it came from."""
    facts = {"made_by": "random_flow.py", "trained_by": "nobody: a flow for tests and benchmarks"}
    if options.shear is not None:
        return {**facts, "shear": options.shear}
    return {**facts, "seed": options.seed, "output_spread": OUTPUT_SPREAD}


def write(options):
    if not options.output.absolute().parent.is_dir():
        raise FlowFileError(
            f"expected a directory {options.output.parent} for the flow file, found none: make it"
        )
    shear = options.shear is not None
    flow = shear_flow(options.shear) if shear else random_flow(options)
    flow = flow.to(PRECISIONS[options.precision or ("double" if shear else "float")])
    check(flow, options.seed)
    save_flow(options.output, flow, provenance(options))
    print(f"{options.output}: dim {flow.dim}, {len(flow.layers)} layers")


def main():
    options = parse()
    set_threads(1)
    try:
        write(options)
    except (ValueError, OSError) as problem:
        sys.exit(f"random_flow.py: {problem}")


if __name__ == "__main__":
    main()
