#!/usr/bin/python3
"""Trains a multi-scale Glow on images by maximum likelihood and writes it as a flow file.

    train_glow.py fashion_mnist -o glow.h5 --epochs 40 --threads 2
    train_glow.py pixels.npz:images -o mine.h5 --levels 3 --steps 16 --widths 128,128,256

The images are Fashion-MNIST, from Debian's package dataset-fashion-mnist, or whole numbers from 0
to 255 in an array [image x row x column] or [image x channel x row x column].  They are dequantised
with uniform noise, fresh in every epoch, so that x is in the data's own units: pixel + [0, 1).

The learning rate warms up, then falls to nothing along a cosine over --epochs; the weights that did
best on held-out images are kept.  A killed training goes on from its last epoch with --resume.

Kingma & Dhariwal (2018), "Glow", arXiv:1807.03039.
"""

import argparse
import copy
import gzip
import math
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from flow_conditioners import ACTIVATIONS, Conditioner, Convolutional
from flow_layers import (
    AffineMap,
    Coupling,
    DiagonalAffine,
    First,
    Inverted,
    Linear,
    PerPixel,
    Sigmoid,
    Squeeze,
)
from flow_torch import Flow, save_flow
from threads import set_threads
from train_flow import (
    Training,
    TrainingError,
    TrainingSet,
    datasets,
    negative_log_likelihood,
    pick,
    positive,
    recipe,
    stream,
    train_and_save,
)

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
GREYS = 256
LOGIT_MARGIN = 0.05
"""alpha: the logit is of alpha + (1 - 2 alpha) x / 256, so that it stays finite at both ends."""

LARGEST_LOG_SCALE = 2.0
"""Of one coupling, in nats."""

INITIAL_IMAGES = 512
"""What the activation normalisation starts from."""

EVALUATED_AT_ONCE = 500


# --- Images -------------------------------------------------------------------------------------


class Images:
    """Images of whole numbers [n x coordinate], `shape` (channels, rows, columns), in two parts."""

    def __init__(self, train, held_out, shape):
        self.train, self.held_out, self.shape = train, held_out, shape


def fashion_mnist(part):
    """The images [n x 28 x 28] of Fashion-MNIST: part is train or t10k (the test images)."""
    path = FASHION_MNIST / f"{part}-images-idx3-ubyte.gz"
    if not path.is_file():
        raise TrainingError(
            f"expected Fashion-MNIST in {FASHION_MNIST}, found none: install Debian's package "
            "dataset-fashion-mnist"
        )
    with gzip.open(path) as file:
        data = file.read()
    count, rows, columns = np.frombuffer(data, dtype=">i4", count=3, offset=4)
    return np.frombuffer(data, dtype=np.uint8, offset=16).reshape(count, rows, columns)


def read_images(name):
    """The array of images in FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]."""
    path, _, wanted = name.partition(":")
    if not Path(path).is_file() or not path.endswith((".npy", ".npz", ".h5", ".hdf5")):
        raise TrainingError(
            f"expected fashion_mnist or an existing .npy, .npz or .h5 file, found '{name}'"
        )
    if path.endswith(".npy"):
        images = np.load(path)
    elif path.endswith(".npz"):
        images = pick(dict(np.load(path)), wanted, path)
    else:
        with h5py.File(path, "r") as file:
            images = pick(datasets(file), wanted, path)
    whole = images.ndim in (3, 4) and np.all((images >= 0) & (images < GREYS))
    if not whole or not np.array_equal(images, np.floor(images)):
        raise TrainingError(
            f"expected whole numbers from 0 to 255 in an array [image x row x column] or [image x "
            f"channel x row x column], found other values or shape {images.shape} in {name}"
        )
    return images


def load_images(options):
    """The last --held-out-size of the images are held out; Fashion-MNIST's test images are not
    among them."""
    whole = fashion_mnist("train") if options.dataset == "fashion_mnist" else None
    images = read_images(options.dataset) if whole is None else whole
    if images.ndim == 3:
        images = images[:, None]
    if len(images) <= options.held_out_size:
        raise TrainingError(
            f"expected more than {options.held_out_size} images, to hold so many out, found "
            f"{len(images)}: lower --held-out-size"
        )
    factor = 2**options.levels
    if images.shape[2] % factor or images.shape[3] % factor:
        raise TrainingError(
            f"expected rows and columns that {options.levels} levels can halve, found images of "
            f"{images.shape[2]} x {images.shape[3]}: lower --levels or pad the images"
        )
    flat = np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.uint8)
    held_out = options.held_out_size
    return Images(flat[:-held_out], flat[-held_out:], images.shape[1:])


def dequantise(images, rng):
    """pixel + uniform noise, [n x coordinate] in [0, 256)."""
    noise = rng.random(images.shape, dtype=np.float32)
    # Rounding must not reach the next grey.
    return torch.from_numpy(np.minimum(images + noise, images + np.float32(1.0 - 2.0**-16)))


def training_set(images, options):
    """Fresh noise and a fresh order every epoch; the held-out noise is the same for ever."""

    def epoch(number):
        rng = stream(options.seed, 2, number)
        return dequantise(images.train[rng.permutation(len(images.train))], rng)

    held_out = dequantise(images.held_out, stream(options.seed, 1))
    return TrainingSet(held_out, epoch, len(images.train))


# --- Model --------------------------------------------------------------------------------------


class ActNorm(nn.Module):
    """x = exp(log_scale) z + shift for each channel; trained, and begun from data."""

    def __init__(self, channels):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1))

    def _columns(self, points):
        return points.reshape(len(points), len(self.shift), -1)

    def _log_det(self, points):
        return (self.log_scale.sum() * (points[0].numel() // len(self.shift))).expand(len(points))

    @torch.no_grad()
    def begin(self, x):
        """Makes the channels of z = f^-1(x) of mean 0 and variance 1 over the images x."""
        columns = self._columns(x).transpose(0, 1).flatten(1)
        self.shift.copy_(columns.mean(dim=1, keepdim=True))
        self.log_scale.copy_(torch.log(columns.std(dim=1, keepdim=True) + 1e-6))

    def forward(self, z):
        x = self._columns(z) * torch.exp(self.log_scale) + self.shift
        return x.flatten(1), self._log_det(z)

    def inverse(self, x):
        z = (self._columns(x) - self.shift) * torch.exp(-self.log_scale)
        return z.flatten(1), self._log_det(x)

    def finished(self, pixels):
        """The layer of a flow file that does the same."""
        scale = torch.exp(self.log_scale.detach()).flatten()
        return PerPixel(DiagonalAffine(scale, self.shift.detach().flatten()), pixels)


class InvertibleConvolution(nn.Module):
    """x = W z over the channels of each pixel: Glow's 1 x 1 convolution, begun as a rotation."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])

    def _log_det(self, points):
        pixels = points.shape[1] // len(self.weight)
        return (pixels * torch.linalg.slogdet(self.weight)[1]).expand(len(points))

    def _through(self, matrix, points):
        return (matrix @ points.reshape(len(points), len(matrix), -1)).flatten(1)

    def forward(self, z):
        return self._through(self.weight, z), self._log_det(z)

    def inverse(self, x):
        return self._through(torch.linalg.inv(self.weight), x), self._log_det(x)

    def finished(self, pixels):
        weight = self.weight.detach()
        return PerPixel(Linear(weight, weight.new_zeros(len(weight))), pixels)


class OutputConvolution(nn.Module):
    """A convolution that starts at zero and learns a log scale for each of its outputs."""

    def __init__(self, convolution):
        super().__init__()
        self.raw_weight = nn.Parameter(torch.zeros_like(convolution.weight))
        self.raw_bias = nn.Parameter(torch.zeros_like(convolution.bias))
        self.log_scale = nn.Parameter(torch.zeros_like(convolution.bias))
        self.padding = convolution.padding

    @property
    def weight(self):
        return self.raw_weight * torch.exp(3.0 * self.log_scale)[:, None, None, None]

    @property
    def bias(self):
        return self.raw_bias * torch.exp(3.0 * self.log_scale)

    def forward(self, h):
        return F.conv2d(h, self.weight, self.bias, padding=self.padding)

    def finished(self):
        """The plain convolution that does the same."""
        outputs, inputs, *kernel = self.weight.shape
        plain = nn.Conv2d(inputs, outputs, kernel, padding=self.padding)
        plain.weight, plain.bias = (
            nn.Parameter(values.detach()) for values in (self.weight, self.bias)
        )
        return plain


def convolutional_coupling(image, widths, kernels, activation):
    """An affine coupling of the second half of an image's channels, told by the first half."""
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


def glow(image, options):
    """A multi-scale Glow for images of this shape (channels, rows, columns), in sampling order.

    z has the deepest level first: [level L, ..., level 2, level 1], each [channel, row, column].
    Level k mixes the first coordinates, those of its own and of all deeper levels.
    """
    dim, layers = math.prod(image), []
    shape = image
    for level in range(options.levels):
        count = math.prod(shape)
        squeeze = Squeeze(shape)
        shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        steps = []
        width = options.widths[min(level, len(options.widths) - 1)]
        if level + 1 < options.levels:
            # What leaves here is a normal whose mean and scale the rest tells.
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
def begin(flow, x):
    """Sets every activation normalisation from the images x [n x dim], from the data inwards."""
    for layer in reversed(flow.layers):
        inner = layer.layer if isinstance(layer, First) else layer
        if isinstance(inner, ActNorm):
            inner.begin(x[:, : layer.coordinates] if isinstance(layer, First) else x)
        x, _ = layer.inverse(x)


def finished(flow):
    """The flow made of layers that flow files know."""

    def finish(layer, dim):
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
    """A Glow on its way: the learning rate rises and falls within the epochs."""

    GRADIENT_NORM_LIMIT = 500.0

    def __init__(self, flow, train_size, options):
        self.steps = options.epochs * math.ceil(train_size / options.batch_size)
        self.bits = 1.0 / (flow.dim * math.log(2.0))
        super().__init__(flow, options)

    def make_schedule(self):
        warm_up = self.options.warm_up_steps

        def rate(step):
            if step < warm_up:
                return (step + 1) / warm_up
            share = (step - warm_up) / max(1, self.steps - warm_up)
            return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))

        return torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)

    def batch_done(self):
        self.schedule.step()

    def epoch_done(self, held_out_nll):
        """The schedule counts steps, not epochs."""

    def evaluate(self, draws):
        return negative_log_likelihood(self.flow, draws, EVALUATED_AT_ONCE)

    def finished(self):
        if self.epoch >= self.options.epochs:
            return "learning rate has fallen to nothing"
        return "reached --max-minutes" if self.seconds >= 60 * self.options.max_minutes else None

    def finished_flow(self):
        return finished(self.flow)

    def report(self, train_nll, held_out_nll):
        rate = self.optimiser.param_groups[0]["lr"]
        print(
            f"epoch {self.epoch:3d}  bits per dimension: train {self.bits * train_nll:.4f}  "
            f"held-out {self.bits * held_out_nll:.4f}  best {self.bits * self.best:.4f} (epoch "
            f"{self.best_epoch})  learning rate {rate:.1e}  {self.seconds:6.0f} s",
            flush=True,
        )


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", help="fashion_mnist, FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]")
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--levels", type=positive(int), default=2, help="(default %(default)s)")
    add("--steps", type=positive(int), default=8, help="of each level (default %(default)s)")
    add("--widths", type=numbers, default=[64, 128], help="hidden channels, level by level from the"
        " data on; the last is for all deeper ones too (default 64,128)")
    add("--activation", choices=ACTIVATIONS, default="silu", help="(default %(default)s)")
    add("--epochs", type=positive(int), default=40, help="(default %(default)s)")
    add("--batch-size", type=positive(int), default=64, help="(default %(default)s)")
    add("--learning-rate", type=positive(float), default=1e-3, help="(default %(default)s)")
    add("--warm-up-steps", type=positive(int), default=500, help="(default %(default)s)")
    add("--held-out-size", type=positive(int), default=5000, help="images (default %(default)s)")
    add("--max-minutes", type=positive(float), default=math.inf, help="(default: no limit)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--threads", type=positive(int), default=1, help="(default %(default)s)")
    add("--resume", action="store_true", help="go on from the checkpoint OUTPUT.checkpoint")
    return parser.parse_args(arguments)


def numbers(text):
    """The whole numbers above zero in a list as in 64,128."""
    return [positive(int)(part) for part in text.split(",")]


def provenance(training, data, images, reason):
    """What a reader of the file should know of where it came from."""
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
        test = dequantise(test.reshape(len(test), -1), stream(options.seed, 3))
        facts["test_bits_per_dimension"] = training.bits * training.evaluate(test)
    return facts


def train(options):
    set_threads(options.threads)
    torch.manual_seed(options.seed)
    images = load_images(options)
    data = training_set(images, options)
    flow = glow(images.shape, options)
    if not options.resume:
        begin(flow, data.epoch(0)[:INITIAL_IMAGES])
    training = GlowTraining(flow, data.train_size, options)
    reason = train_and_save(
        training, data, options, lambda reason: provenance(training, data, images, reason)
    )
    print(
        f"{options.output}: held-out {training.bits * training.best:.4f} bits per dimension; "
        f"{reason}"
    )


def main():
    try:
        train(parse())
    except (ValueError, OSError) as problem:
        sys.exit(f"train_glow.py: {problem}")
    except KeyboardInterrupt:
        sys.exit("train_glow.py: interrupted; go on with --resume")


if __name__ == "__main__":
    main()
