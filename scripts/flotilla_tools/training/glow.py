# SPDX-License-Identifier: BSD-3-Clause
"""A multi-scale Glow trained on images.

Kingma & Dhariwal (2018), "Glow", arXiv:1807.03039.
"""

import copy
import math
from pathlib import Path
from typing import Any, NamedTuple, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.images import GREYS, dequantise, fashion_mnist, images_of
from flotilla_tools.torch_flows.computing import set_threads
from flotilla_tools.torch_flows.conditioners import (
    Conditioner,
    Convolutional,
    Image,
    image_shape,
)
from flotilla_tools.torch_flows.flow import Flow
from flotilla_tools.torch_flows.layers import (
    AffineMap,
    Coupling,
    DiagonalAffine,
    First,
    Inverted,
    Layer,
    Linear,
    Mapped,
    PerPixel,
    Sigmoid,
    Squeeze,
)
from flotilla_tools.training import training
from flotilla_tools.training.training import (
    Training,
    TrainingSet,
    negative_log_likelihood,
    recipe,
    stream,
    train_and_save,
)

LOGIT_MARGIN = 0.05
"""alpha: the logit is of alpha + (1 - 2 alpha) x / 256, so that it stays finite at both ends."""

LARGEST_LOG_SCALE = 2.0
"""Of one coupling, in nats."""

INITIAL_IMAGES = 512
"""What the activation normalisation starts from."""

EVALUATED_AT_ONCE = 500


class Options(training.Options):
    """The options of training a Glow."""

    levels: int
    steps: int
    widths: list[int]
    activation: str
    epochs: int
    warm_up_steps: int
    held_out_size: int


# --- Images -------------------------------------------------------------------------------------


class Images(NamedTuple):
    """Images of whole numbers [n x coordinate], of `shape` (channels, rows, columns)."""

    train: Array
    held_out: Array
    shape: Image


def load_images(options: Options) -> Images:
    """Loads images; the last --held-out-size are held out. Fashion-MNIST's test set is not used."""
    images = images_of(options.dataset, "train")
    if images.ndim == 3:
        images = images[:, None]
    if len(images) <= options.held_out_size:
        raise InputError(
            f"expected more than {options.held_out_size} images, to hold so many out, found "
            f"{len(images)}: lower --held-out-size"
        )
    factor = 2**options.levels
    if images.shape[2] % factor or images.shape[3] % factor:
        raise InputError(
            f"expected rows and columns that {options.levels} levels can halve, found images of "
            f"{images.shape[2]} x {images.shape[3]}: lower --levels or pad the images"
        )
    flat = np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.uint8)
    held_out = options.held_out_size
    return Images(flat[:-held_out], flat[-held_out:], image_shape(images.shape[1:]))


def as_draws(images: Array, rng: np.random.Generator) -> Tensor:
    """Dequantised, as a tensor."""
    return torch.from_numpy(dequantise(images, rng))


def training_set(images: Images, options: Options) -> TrainingSet:
    """Noise and order are new in every epoch. The noise of held-out images is always the same."""

    def epoch(number: int) -> Tensor:
        rng = stream(options.seed, 2, number)
        return as_draws(images.train[rng.permutation(len(images.train))], rng)

    held_out = as_draws(images.held_out, stream(options.seed, 1))
    return TrainingSet(held_out, epoch, len(images.train))


# --- Model --------------------------------------------------------------------------------------


class ActNorm(nn.Module):
    """x = exp(log_scale) z + shift for each channel. Trained; initialised from data."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1))

    def _columns(self, points: Tensor) -> Tensor:
        return points.reshape(len(points), len(self.shift), -1)

    def _log_det(self, points: Tensor) -> Tensor:
        return (self.log_scale.sum() * (points[0].numel() // len(self.shift))).expand(len(points))

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Gives the channels of z = f^-1(x) mean 0 and variance 1 over the images x."""
        columns = self._columns(x).transpose(0, 1).flatten(1)
        self.shift.copy_(columns.mean(dim=1, keepdim=True))
        self.log_scale.copy_(torch.log(columns.std(dim=1, keepdim=True) + 1e-6))

    def forward(self, z: Tensor) -> Mapped:
        x = self._columns(z) * torch.exp(self.log_scale) + self.shift
        return x.flatten(1), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        z = (self._columns(x) - self.shift) * torch.exp(-self.log_scale)
        return z.flatten(1), self._log_det(x)

    def finished(self, pixels: int) -> PerPixel:
        """The layer of a flow file that does the same."""
        scale = torch.exp(self.log_scale.detach()).flatten()
        return PerPixel(DiagonalAffine(scale, self.shift.detach().flatten()), pixels)


class InvertibleConvolution(nn.Module):
    """x = W z over the channels of each pixel: Glow's 1 x 1 convolution; starts as a rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])

    def _log_det(self, points: Tensor) -> Tensor:
        pixels = points.shape[1] // len(self.weight)
        return (pixels * torch.linalg.slogdet(self.weight)[1]).expand(len(points))

    def _through(self, matrix: Tensor, points: Tensor) -> Tensor:
        return (matrix @ points.reshape(len(points), len(matrix), -1)).flatten(1)

    def forward(self, z: Tensor) -> Mapped:
        return self._through(self.weight, z), self._log_det(z)

    def inverse(self, x: Tensor) -> Mapped:
        return self._through(torch.linalg.inv(self.weight), x), self._log_det(x)

    def finished(self, pixels: int) -> PerPixel:
        weight = self.weight.detach()
        return PerPixel(Linear(weight, weight.new_zeros(len(weight))), pixels)


class OutputConvolution(nn.Module):
    """A convolution that starts at zero and learns a log scale per output."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.raw_weight = nn.Parameter(torch.zeros_like(convolution.weight))
        self.raw_bias = nn.Parameter(torch.zeros_like(convolution.bias))
        self.log_scale = nn.Parameter(torch.zeros_like(convolution.bias))
        self.padding = convolution.padding

    @property
    def weight(self) -> Tensor:
        return self.raw_weight * torch.exp(3.0 * self.log_scale)[:, None, None, None]

    @property
    def bias(self) -> Tensor:
        return self.raw_bias * torch.exp(3.0 * self.log_scale)

    def forward(self, h: Tensor) -> Tensor:
        return F.conv2d(h, self.weight, self.bias, padding=self.padding)

    def finished(self) -> nn.Conv2d:
        """The plain convolution that does the same."""
        outputs, inputs, *kernel = self.weight.shape
        plain = nn.Conv2d(inputs, outputs, kernel, padding=self.padding)
        plain.weight, plain.bias = (
            nn.Parameter(values.detach()) for values in (self.weight, self.bias)
        )
        return plain


def convolutional_coupling(
    image: Image, widths: Sequence[int], kernels: Sequence[tuple[int, int]], activation: str
) -> Coupling:
    """An affine coupling: half of an image's channels moves, depending on the first half."""
    channels, pixels = image[0], image[1] * image[2]
    kept, moved = channels // 2, channels - channels // 2
    net = Conditioner([kept, *widths, 2 * moved], activation, kernels=kernels)
    net.maps[-1] = OutputConvolution(net.maps[-1])
    net = net.to(memory_format=torch.channels_last)
    coordinates = np.arange(channels * pixels)
    mask = (coordinates < kept * pixels).astype(np.int8)
    conditioner = Convolutional(
        net, image, coordinates[mask == 1], coordinates[mask == 0], parameters=2
    )
    return Coupling(mask, AffineMap("tanh", bound=LARGEST_LOG_SCALE), conditioner)


def glow(image: Image, options: Options) -> Flow:
    """A multi-scale Glow for images of this shape (channels, rows, columns), in sampling order.

    z has the deepest level first: [level L, ..., level 2, level 1], each [channel, row, column].
    Level k mixes the first coordinates, those of its own and of all deeper levels.
    """
    dim = math.prod(image)
    layers: list[Layer] = []
    shape = image
    for level in range(options.levels):
        count = math.prod(shape)
        squeeze = Squeeze(shape)
        shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        steps = []
        width = options.widths[min(level, len(options.widths) - 1)]
        if level + 1 < options.levels:
            # The channels that leave here are normal; the others determine mean and scale.
            steps.append(convolutional_coupling(shape, [], [(3, 3)], options.activation))
        for _ in range(options.steps):
            kernels = [(3, 3), (1, 1), (3, 3)]
            steps += [
                convolutional_coupling(shape, [width, width], kernels, options.activation),
                InvertibleConvolution(shape[0]),
                ActNorm(shape[0]),
            ]
        steps.append(Inverted(squeeze))
        layers = [step if count == dim else First(step, count) for step in steps] + layers
        shape = (shape[0] // 2, shape[1], shape[2])
    stretch = GREYS / (1.0 - 2.0 * LOGIT_MARGIN)
    to_greys = DiagonalAffine(torch.tensor([stretch]), torch.tensor([-LOGIT_MARGIN * stretch]))
    return Flow(dim, layers + [Sigmoid(), PerPixel(to_greys, dim)])


@torch.no_grad()
def begin(flow: Flow, x: Tensor) -> None:
    """Initialises every activation normalisation from images x [n x dim], beginning at the data."""
    for layer in reversed(flow.layers):
        inner = layer.layer if isinstance(layer, First) else layer
        if isinstance(inner, ActNorm):
            inner.begin(x[:, : layer.coordinates] if isinstance(layer, First) else x)
        x, _ = layer.inverse(x)


def finished(flow: Flow) -> Flow:
    """The flow made of layers that flow files know."""

    def finish(layer: Layer, dim: int) -> Layer:
        if isinstance(layer, First):
            return First(finish(layer.layer, layer.coordinates), layer.coordinates)
        if isinstance(layer, (ActNorm, InvertibleConvolution)):
            channels = len(layer.shift if isinstance(layer, ActNorm) else layer.weight)
            return layer.finished(dim // channels)
        if isinstance(layer, Coupling):
            layer = copy.deepcopy(layer)
            maps = layer.conditioner.net.maps
            maps[-1] = maps[-1].finished()
        return layer

    return Flow(flow.dim, [finish(layer, flow.dim) for layer in flow.layers])


# --- Training -----------------------------------------------------------------------------------


class GlowTraining(Training):
    """The training of a Glow. The learning rate rises, then falls, within the epochs."""

    options: Options
    GRADIENT_NORM_LIMIT = 500.0

    def __init__(self, flow: Flow, train_size: int, options: Options) -> None:
        self.steps = options.epochs * math.ceil(train_size / options.batch_size)
        self.bits = 1.0 / (flow.dim * math.log(2.0))
        super().__init__(flow, options)

    def make_schedule(self) -> Any:
        warm_up = self.options.warm_up_steps

        def rate(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            share = (step - warm_up) / max(1, self.steps - warm_up)
            return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))

        return torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)

    def batch_done(self) -> None:
        self.schedule.step()

    def evaluate(self, draws: Tensor) -> float:
        return negative_log_likelihood(self.flow, draws, EVALUATED_AT_ONCE)

    def finished(self) -> str | None:
        if self.epoch >= self.options.epochs:
            return "learning rate has fallen to nothing"
        return "reached --max-minutes" if self.seconds >= 60 * self.options.max_minutes else None

    def finished_flow(self) -> Flow:
        return finished(self.flow)

    def report(self, train_nll: float, held_out_nll: float) -> None:
        rate = self.optimiser.param_groups[0]["lr"]
        print(
            f"epoch {self.epoch:3d}  bits per dimension: train {self.bits * train_nll:.4f}  "
            f"held-out {self.bits * held_out_nll:.4f}  best {self.bits * self.best:.4f} (epoch "
            f"{self.best_epoch})  learning rate {rate:.1e}  {self.seconds:6.0f} s",
            flush=True,
        )


def provenance(
    training: GlowTraining, data: TrainingSet, images: Images, reason: str
) -> dict[str, Any]:
    """The provenance of the file."""
    options = training.options
    facts = {
        "trained_by": "train_glow.py",
        "dataset": Path(options.dataset).name,
        "image": "x".join(str(size) for size in images.shape),
        "recipe": ", ".join(f"{name} {value}" for name, value in recipe(options).items()),
        "epochs": training.epoch,
        "stopped_because": reason,
        "optimiser": "Adam",
        "train_size": data.train_size,
        "held_out_size": len(data.held_out),
        "held_out_nll": training.best,
        "held_out_bits_per_dimension": training.bits * training.best,
    }
    if options.dataset == "fashion_mnist":
        test = fashion_mnist("t10k")
        test = as_draws(test.reshape(len(test), -1), stream(options.seed, 3))
        facts["test_bits_per_dimension"] = training.bits * training.evaluate(test)
    return facts


def train(options: Options) -> str:
    """Trains the flow and writes it. Returns the outcome in one line."""
    set_threads(options.threads)
    torch.manual_seed(options.seed)
    images = load_images(options)
    data = training_set(images, options)
    flow = glow(images.shape, options)
    if not options.resume:
        begin(flow, data.epoch(0)[:INITIAL_IMAGES])
    own = GlowTraining(flow, data.train_size, options)
    reason = train_and_save(
        own, data, options, lambda reason: provenance(own, data, images, reason)
    )
    return f"{options.output}: held-out {own.bits * own.best:.4f} bits per dimension; {reason}"
