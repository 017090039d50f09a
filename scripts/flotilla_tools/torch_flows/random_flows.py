# SPDX-License-Identifier: BSD-3-Clause
"""Untrained flows of a given shape, with scaled random weights: nonlinear, but well-conditioned.

The couplings' outputs, log scale and shift, spread by 0.3 over standard normal draws (less where
the tails are heavy): far from the identity, and invertible in single precision.
"""

import argparse
import copy
import math
from typing import Any, Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import FlowFileError
from flotilla_tools.torch_flows.bases import (
    Base,
    CircularNormal,
    DiagonalNormal,
    GaussianMixture,
    StandardNormal,
    UniformBox,
)
from flotilla_tools.torch_flows.conditioners import (
    Conditioner,
    ContextTerm,
    Convolutional,
    Image,
    Program,
)
from flotilla_tools.torch_flows.curves import (
    BernsteinMap,
    CubicSplineMap,
    GaussianizationMap,
    IntegratedNetworkMap,
    LinearSplineMap,
    MonotoneNetworkMap,
    QuadraticSplineMap,
    RationalLinearMap,
    SumOfSquaresMap,
)
from flotilla_tools.torch_flows.flow import Flow, golden_values, half_masks
from flotilla_tools.torch_flows.layers import (
    AdditiveMap,
    AffineCoupling,
    AffineMap,
    Autoregressive,
    CoordinateMap,
    Coupling,
    DiagonalAffine,
    Exp,
    First,
    Householder,
    LeakyReLU,
    Inverted,
    Layer,
    Linear,
    LULinear,
    LogTanh,
    Logit,
    PerPixel,
    Permutation,
    Planar,
    Radial,
    Residual,
    Sigmoid,
    Softclip,
    SplineMap,
    Squeeze,
    Sylvester,
    Tanh,
    Wrap,
)

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


class Shape(argparse.Namespace):
    """The shape of a random flow."""

    dim: int
    kind: str
    layers: int
    widths: list[int]
    activation: str
    seed: int
    extras: str
    base: str
    context: int


# --- Random flows -------------------------------------------------------------------------------


def random_flow(options: Shape) -> Flow:
    """The flow that the options describe, in double precision; a function of them alone."""
    rng = np.random.default_rng(options.seed)
    base = random_base(options.base, options.dim, options.seed)
    if options.kind == "circular":
        turn = np.full(options.dim, 2.0 * math.pi)
        base = CircularNormal(np.zeros(options.dim), turn, circular=np.ones(options.dim, bool))
    z = normals((CALIBRATION_DRAWS, options.dim), rng)
    layers = [layer for make in EXTRAS[options.extras] for layer in make(options.dim, rng)]
    z, _ = Flow(options.dim, layers)(z)
    for layer in LAYERS[options.kind](z, options, rng):
        layers.append(layer)
    flow = Flow(options.dim, layers, base, options.context)
    if options.context > 0:
        add_context_terms(flow, options.context, options.seed)
    return flow.requires_grad_(False)


def random_couplings(z: Tensor, options: Shape, rng: np.random.Generator) -> Iterator[Layer]:
    """Couplings of the kind. Each is calibrated on the draws z [n x dim] that reach it."""
    coordinate_map = MAPS[options.kind](rng)
    for mask in half_masks(options.dim, options.layers, rng):
        if options.kind == "gaussianization":  # its values end at 4.9, and are flat there
            softclip = Softclip(3.0)
            z, _ = softclip(z)
            yield softclip
        layer = random_coupling(mask, coordinate_map, z, options, rng)
        z, _ = layer(z)
        yield layer


def small_network(rng: np.random.Generator, rising: bool) -> dict[str, Any]:
    """The arrays of a curve's network of two hidden layers of 64 units and a signal of 16, as zuko
    has by default; `rising`: no weight on the way from u is negative, and slopes are about 1."""
    arrays = curve_network((17, 64, 64, 1), None, False, rng)
    if not rising:
        return arrays
    arrays["curve_weight_0"][:, 0] = rng.uniform(0.5, 1.5, 64)
    for k in (1, 2):
        shape = arrays[f"curve_weight_{k}"].shape
        arrays[f"curve_weight_{k}"] = rng.uniform(0.5, 1.5, shape) / shape[1]
    return arrays


MAPS: dict[str, Callable[[np.random.Generator], CoordinateMap]] = {
    "affine": lambda rng: AffineMap(),
    "spline": lambda rng: SplineMap(8, 3.0),
    "circular": lambda rng: SplineMap(8, math.pi, tails="circular"),
    "rational_linear": lambda rng: RationalLinearMap(8, 3.0),
    "bernstein": lambda rng: BernsteinMap(17),
    "sum_of_squares": lambda rng: SumOfSquaresMap(3, 4),
    "gaussianization": lambda rng: GaussianizationMap(8),
    "monotone_network": lambda rng: MonotoneNetworkMap("two_way_elu", **small_network(rng, True)),
    "integrated_network": lambda rng: IntegratedNetworkMap("elu", 32, **small_network(rng, False)),
}
"""The maps of coupling layers, by kind; curves at the sizes that pyro and zuko have by default."""


def random_residuals(z: Tensor, options: Shape, rng: np.random.Generator) -> Iterator[Layer]:
    """Residual layers; the norms of their linear maps are at most 0.9."""
    widths = [options.dim, *options.widths, options.dim]
    for _ in range(options.layers):
        net = random_conditioner(widths, options, rng)
        for linear in net.maps:
            linear.weight.mul_(0.9 / torch.linalg.matrix_norm(linear.weight, 2))
        yield Residual(net)


def random_autoregressives(z: Tensor, options: Shape, rng: np.random.Generator) -> Iterator[Layer]:
    """Affine autoregressive layers of alternating order.  For the kind maf each is inverted:
    sampling is then the sequential direction."""
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


def random_glow(z: Tensor, options: Shape, rng: np.random.Generator) -> Iterator[Layer]:
    """A Glow on square images of one channel.  It has as many levels as the size can be halved, at
    most two.  --layers counts the steps of a level, --widths are the hidden channels."""
    side = math.isqrt(options.dim)
    if side * side != options.dim or side % 2 or len(options.widths) + 1 != len(KERNELS):
        raise FlowFileError(
            f"expected --dim to be the square of an even number and {len(KERNELS) - 1} widths, "
            f"found {options.dim} and {len(options.widths)}"
        )
    levels: list[tuple[Image, Squeeze]] = []
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


def random_glow_step(
    image: Image, z: Tensor, options: Shape, rng: np.random.Generator
) -> Iterator[Layer]:
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


LAYERS: dict[str, Callable[[Tensor, Shape, np.random.Generator], Iterator[Layer]]] = {
    **{kind: random_couplings for kind in MAPS},
    "glow": random_glow,
    "residual": random_residuals,
    "iaf": random_autoregressives,
    "maf": random_autoregressives,
}


def random_coupling(
    mask: Array, coordinate_map: CoordinateMap, z: Tensor, options: Shape, rng: np.random.Generator
) -> Coupling:
    """A coupling whose outputs have a spread of at most OUTPUT_SPREAD over draws z [n x dim]."""
    kept = int(mask.sum())
    widths = [kept, *options.widths, coordinate_map.parameters * (len(mask) - kept)]
    net = random_conditioner(widths, options, rng)
    coupling = Coupling(mask, coordinate_map, net)
    if options.kind == "affine":
        coupling = AffineCoupling(mask, net)
    calm(net, z[:, coupling.kept])
    return coupling


def random_conditioner(
    widths: Sequence[int], options: Shape, rng: np.random.Generator
) -> Conditioner:
    net = Conditioner(widths, options.activation).double().requires_grad_(False)
    for linear in net.maps:
        fan_in = linear.weight.shape[1]
        linear.weight.copy_(HIDDEN_GAIN / fan_in**0.5 * normals(linear.weight.shape, rng))
        linear.bias.copy_(OUTPUT_SPREAD * normals(linear.bias.shape, rng))
    return net


def calm(net: Any, inputs: Tensor) -> None:
    """Scales a conditioner's outputs down to OUTPUT_SPREAD over these inputs [n x dim]."""
    outputs = net(inputs)
    spread, largest = outputs.std(dim=0).mean(), outputs.abs().max()
    net.maps[-1].weight.mul_(torch.minimum(OUTPUT_SPREAD / spread, LARGEST_OUTPUT / largest))
    net.maps[-1].bias.zero_()


BASES = (
    "standard_normal",
    "diagonal_normal",
    "gaussian_mixture",
    "uniform_box",
    "circular_normal",
)
COMPONENTS = 3


def random_base(kind: str, dim: int, seed: int) -> Base:
    """A base density near the standard normal, on which couplings are calibrated."""
    rng = np.random.default_rng([seed, 2])
    if kind == "diagonal_normal":
        return DiagonalNormal(rng.uniform(-0.5, 0.5, dim), rng.uniform(0.5, 1.2, dim))
    if kind == "gaussian_mixture":
        weights, shape = rng.uniform(0.2, 1.0, COMPONENTS), (COMPONENTS, dim)
        loc, scale = rng.uniform(-1.0, 1.0, shape), rng.uniform(0.3, 0.8, shape)
        return GaussianMixture(weights / weights.sum(), loc, scale)
    if kind == "uniform_box":
        return UniformBox(rng.uniform(-2.0, -1.0, dim), rng.uniform(1.0, 2.0, dim))
    if kind == "circular_normal":
        circular = np.arange(dim) % 2 == 0
        scale = np.where(circular, rng.uniform(3.0, 4.0, dim), rng.uniform(0.5, 1.2, dim))
        return CircularNormal(rng.uniform(-0.5, 0.5, dim), scale, circular=circular)
    return StandardNormal(dim)


def add_context_terms(flow: Flow, size: int, seed: int) -> None:
    """A sum, a sum through an activation and a gate, on every linear map in turn."""
    rng = np.random.default_rng([seed, 3])
    places = [
        (module, k, len(linear.bias))
        for module in flow.modules()
        if hasattr(module, "terms")
        for k, linear in enumerate(module.maps)
    ]
    for turn, (module, k, width) in enumerate(places):

        def draw(*shape: int) -> Tensor:
            return 0.3 * normals(shape, rng)

        activation = "silu" if turn % 3 == 1 else None
        bias = draw(width) if turn % 2 == 0 else None
        add = (draw(width, size), bias, activation) if turn % 3 != 2 else None
        gate = (draw(width, size), draw(width)) if turn % 3 != 1 else None
        module.terms[str(k)] = ContextTerm(add, gate)
    flow.at_context(np.zeros(size))


def plain_layers(dim: int, rng: np.random.Generator) -> list[Layer]:
    """Layers without a network, and a residual one, for standard normal draws: the sigmoid does not
    saturate."""
    signs = rng.choice([-1.0, 1.0], dim)
    return [
        DiagonalAffine(signs * rng.uniform(0.4, 0.8, dim), rng.uniform(-0.5, 0.5, dim)),
        Permutation(rng.permutation(dim)),
        Sigmoid(),
        Permutation(rng.permutation(dim)),
        DiagonalAffine(np.full(dim, 0.9), np.full(dim, 0.05)),
        Logit(),
        LogTanh(1.5),
        DiagonalAffine(np.full(dim, 0.75), np.full(dim, 0.125)),
        Tanh(),
        Exp(),
        DiagonalAffine(np.full(dim, 1.25), np.full(dim, -1.25)),
        lu_linear(dim, rng),
        Householder(normals((3, dim), rng)),
        planar(dim, "tanh", rng),
        Inverted(planar(dim, "leaky_relu", rng)),
        Radial(0.5 * normals((dim,), rng), 1.0, 0.75),
        sylvester(dim, rng),
        residual(dim, rng),
        Wrap(np.arange(dim) % 2, np.full(dim, 40.0), rng.uniform(-1.0, 1.0, dim)),
        Linear(np.eye(dim) + 0.3 / dim**0.5 * rng.standard_normal((dim, dim)), np.ones(dim)),
        LeakyReLU(0.75),
    ]


def image_layers(dim: int, rng: np.random.Generator) -> list[Layer]:
    """Layers for images only, on the first four coordinates, if there are four."""
    if dim < 4:
        return []
    image, coordinates = (1, 2, 2), np.arange(4)
    mask = np.array([1, 0, 0, 1])  # a checkerboard
    kernels = [(3, 3), (1, 3), (3, 1)]
    net = Program("linear ( silu linear affine ) linear", [1, 3, 3, 2], kernels=kernels)
    fill(net.double().requires_grad_(False), rng)
    conditioner = Convolutional(net, image, coordinates[mask == 1], coordinates[mask == 0], 2)
    return [
        First(Coupling(mask, AffineMap("tanh", bound=0.5), conditioner), 4),
        First(Squeeze(image), 4),
        First(
            PerPixel(
                LULinear(
                    np.array([[1.0, 0.0], [0.5, 1.0]]), np.diag([0.8, -1.1]), np.array([0.1, 0.2])
                ),
                2,
            ),
            4,
        ),
    ]


def planar(dim: int, activation: str, rng: np.random.Generator) -> Planar:
    """A bend of moderate strength, w.u = 0.5, across a random direction."""
    w, across = normals((2, dim), rng)
    u = 0.2 * (across - (across @ w) / (w @ w) * w) + 0.5 * w / (w @ w)
    return Planar(u, w, 0.3, activation)


def sylvester(dim: int, rng: np.random.Generator) -> Sylvester:
    """Two units along random directions, 1 + r s h' in [0.5, 1] and [1, 1.5]."""
    units = min(2, dim)
    vectors = rng.standard_normal((units, dim))
    r, s = (np.triu(0.5 * rng.standard_normal((units, units)), 1) for _ in range(2))
    signs = np.array([-1.0, 1.0])[:units]
    return Sylvester(
        vectors, r + np.diag(0.5 * signs), s + np.eye(units), rng.standard_normal(units)
    )


def residual(dim: int, rng: np.random.Generator) -> Residual:
    """A contraction: the norms of its linear maps are 0.9, 0.9 and 0.5."""
    net = Program("linear silu linear tanh linear", [dim, 9, 7, dim]).double().requires_grad_(False)
    fill(net, rng)
    for linear, norm in zip(net.maps, (0.9, 0.9, 0.5)):
        linear.weight.mul_(norm / torch.linalg.matrix_norm(linear.weight, 2))
    return Residual(net)


def lu_linear(dim: int, rng: np.random.Generator) -> LULinear:
    """Factors near the identity; diagonal entries have either sign."""
    lower, upper = (0.4 / dim**0.5 * rng.standard_normal((dim, dim)) for _ in range(2))
    signs = np.diag(rng.choice([-1.0, 1.0], dim))
    bias = rng.standard_normal(dim)
    return LULinear(np.tril(lower, -1) + np.eye(dim), np.triu(upper, 1) + signs, bias)


PROGRAM = "linear ( silu linear affine tanh linear ) layer_norm silu linear"
MASKED_PROGRAM = "linear ( silu linear tanh linear ) silu linear"
PERIODIC_PROGRAM = "linear sine ( gelu linear tanh linear ) silu linear"


def conditioned_layers(dim: int, rng: np.random.Generator) -> list[Layer]:
    """Couplings and autoregressive layers of every map, in several parameterisations."""
    mask = half_masks(dim, 1, rng)[0]
    order = rng.permutation(dim)
    additive, spline = AdditiveMap(), SplineMap(5, 3.0)
    circle = SplineMap(4, 2.5, tails="circular", parameterization="softclip")
    free = SplineMap(
        4, 2.5, "free", min_width=0.1, min_height=0.1, min_derivative=0.3, centre=0.25
    )
    sigmoid = AffineMap("sigmoid", "before", floor=1e-3)
    return [
        conditioned_coupling(mask, additive, rng),
        conditioned_coupling(1 - mask, spline, rng),
        conditioned_coupling(mask, circle, rng),
        conditioned_coupling(1 - mask, AffineMap("softclip", bound=3.0), rng),
        conditioned_coupling(mask, AffineMap("arctan", bound=0.5), rng),
        conditioned_coupling(1 - mask, AffineMap("clamp", lowest=-0.1, highest=0.2), rng),
        Inverted(masked_layer(order, sigmoid, rng)),
        masked_layer(order, AffineMap("tanh", bound=0.5), rng),
        Inverted(masked_layer(order[::-1], spline, rng)),
        masked_layer(order, additive, rng),
        Inverted(masked_layer(order, free, rng, PERIODIC_PROGRAM)),
    ]


def curve_layers(dim: int, rng: np.random.Generator) -> list[Layer]:
    """Couplings and autoregressive layers of every curve.  Gaussianizations have values
    up to 4.9, and are flat where they near them: they get points below 3."""
    mask, order = half_masks(dim, 1, rng)[0], rng.permutation(dim)
    layers: list[Layer] = [
        Softclip(3.0),
        Inverted(masked_layer(order, GaussianizationMap(3), rng)),
        Softclip(3.0),
        conditioned_coupling(1 - mask, GaussianizationMap(3), rng),
    ]
    for curve in (
        BernsteinMap(5, 4.0),
        RationalLinearMap(4, 3.0, tail_slope=0.75),
        SumOfSquaresMap(2, 2),
        LinearSplineMap(4, 4.0, 0.5),
        QuadraticSplineMap(4, 4.0),
        CubicSplineMap(4, 4.0, 0.5),
    ):
        coupling = conditioned_coupling(mask, curve, rng)
        layers += [Inverted(masked_layer(order, curve, rng)), coupling]
        mask = 1 - mask
    # A network for each coordinate of an autoregressive layer, one for all of a coupling.
    for stack in (dim, None):
        rising = curve_network((3, 5, 4, 1), stack, True, rng)
        positive = curve_network((3, 4, 1), stack, False, rng)
        for curve in (
            MonotoneNetworkMap("two_way_elu", **rising),
            IntegratedNetworkMap("silu", 24, **positive),
        ):
            if stack is None:
                layers.append(conditioned_coupling(mask, curve, rng))
                mask = 1 - mask
            else:
                layers.append(masked_layer(order, curve, rng))
    # Half a turn of a circle has an inverse on that circle alone.
    turned = SplineMap(4, 4.0, tail_slope=0.75, turn="half")
    return [*layers, Softclip(4.0), conditioned_coupling(mask, turned, rng)]


EXTRAS: dict[str, list[Callable[[int, np.random.Generator], list[Layer]]]] = {
    "none": [],
    "layers": [plain_layers, conditioned_layers, image_layers],
    "curves": [curve_layers],
    "all": [plain_layers, conditioned_layers, curve_layers, image_layers],
}
"""What `--extras` puts before the couplings."""


def curve_network(
    widths: Sequence[int], stack: int | None, rising: bool, rng: np.random.Generator
) -> dict[str, Any]:
    """The arrays of a network for a curve; `rising`: no weight is negative."""
    arrays, first = {}, (() if stack is None else (stack,))
    for k, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:])):
        weight = rng.standard_normal((*first, outputs, inputs)) / inputs**0.5
        if rising:
            weight = (0.5 + np.abs(weight)) / inputs**0.5
        arrays[f"curve_weight_{k}"] = weight if rising else 0.5 * weight
        arrays[f"curve_bias_{k}"] = 0.3 * rng.standard_normal((*first, outputs))
    return arrays


def conditioned_coupling(
    mask: Array, coordinate_map: CoordinateMap, rng: np.random.Generator
) -> Coupling:
    kept = int(mask.sum())
    outputs = coordinate_map.parameters * (len(mask) - kept)
    net = Program(PROGRAM, [kept, 8, 9, 8, outputs]).double().requires_grad_(False)
    fill(net, rng)
    return Coupling(mask, coordinate_map, net)


def masked_layer(
    order: Array,
    coordinate_map: CoordinateMap,
    rng: np.random.Generator,
    program: str = MASKED_PROGRAM,
) -> Autoregressive:
    """An autoregressive layer with weights masked as in MADE: Germain et al. (2015)."""
    order = np.array(order)
    dim = len(order)
    outputs = coordinate_map.parameters * dim
    net = Program(program, [dim, 12, 12, 12, outputs]).double().requires_grad_(False)
    fill(net, rng)
    hidden = np.arange(12) % dim
    degrees = [order + 1, hidden, hidden, hidden, np.tile(order, coordinate_map.parameters)]
    for linear, below, above in zip(net.maps, degrees[:-1], degrees[1:]):
        linear.weight.mul_(torch.from_numpy(below[None, :] <= above[:, None]))
    return Autoregressive(order, coordinate_map, net)


def fill(net: Any, rng: np.random.Generator) -> None:
    """Fills in random weights.  Outputs are so large that flows are far from the identity, but
    well-conditioned."""
    for linear in net.maps:
        fan_in = max(1, linear.weight[0].numel())
        linear.weight.copy_(normals(linear.weight.shape, rng) / fan_in**0.5)
        linear.bias.copy_(OUTPUT_SPREAD * normals(linear.bias.shape, rng))
    net.maps[-1].weight.mul_(OUTPUT_SPREAD)
    if "sine_0" in dict(net.named_buffers()):
        net.sine_0.copy_(torch.arange(len(net.sine_0)) % 3 == 0)
    for norm in getattr(net, "norms", ()):
        norm.add_(0.2 * normals(norm.shape, rng))


def shear_flow(strength: float) -> Flow:
    """x1 = z1, x2 = z2 exp(strength z1): a coupling whose conditioner is one linear map."""
    net = Conditioner([1, 2]).double().requires_grad_(False)
    net.maps[0].weight[0, 0] = strength
    return Flow(2, [AffineCoupling([1, 0], net)]).requires_grad_(False)


def normals(shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(shape)))


def check(flow: Flow, seed: int) -> None:
    """Refuses a flow that overflows, or that cannot recover latent points in single precision; a
    conditional one at the context of its golden values."""
    sequential = any(hasattr(module, "sequence") for module in flow.modules())
    draws = SEQUENTIAL_DRAWS if sequential else CALIBRATION_DRAWS
    z = normals((draws, flow.dim), np.random.default_rng([seed, 1])).float()
    single = copy.deepcopy(flow).float()
    if flow.context_dim > 0:
        single.at_context(golden_values(flow)["context"])
    x, _ = single(z)
    largest = float(x.abs().max())
    error = float((single.inverse(x)[0] - z).abs().max())
    if not (largest <= LARGEST_IMAGE and error <= LARGEST_ROUND_TRIP):
        raise FlowFileError(
            f"expected |f(z)| up to {LARGEST_IMAGE:g} and f^-1(f(z)) within {LARGEST_ROUND_TRIP:g} "
            f"of z in single precision, found {largest:.1e} and {error:.1e}: use fewer layers, or "
            "another seed or activation"
        )
