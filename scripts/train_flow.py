#!/usr/bin/python3
"""Trains a RealNVP by maximum likelihood and writes it as a flow file.

    train_flow.py two_moons -o two_moons.h5
    train_flow.py draws.npz:theta -o theta.h5 --layers 12 --width 128 --batch-size 256

The data are a toy (two_moons, gaussians_K, rings: fresh draws every epoch) or a [draw x
coordinate] array in FILE.npy, FILE.npz[:array] or FILE.h5[:dataset].  Training stops when the
held-out likelihood has not improved for --patience epochs; the best weights are kept.  A killed
training goes on from its last epoch with --resume.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch

from flow_conditioners import ACTIVATIONS, Conditioner
from flow_layers import AffineCoupling, DiagonalAffine
from flow_torch import Flow, half_masks, save_flow
from threads import set_threads
from toy_sets import toy_set

SMALLEST_IMPROVEMENT = 1e-4
"""Nats per draw by which the held-out likelihood must rise to count as improving."""


class TrainingError(ValueError):
    """A training that cannot be done as asked; the message is one sentence for the user."""


# --- Data ---------------------------------------------------------------------------------------


class TrainingSet(NamedTuple):
    """A fixed held-out set [n x dim] and, epoch by epoch, what to train on."""

    held_out: torch.Tensor
    epoch: callable  # epoch number -> [n x dim], in random order
    train_size: int


def stream(seed, *key):
    """A generator that depends on nothing but seed and key, so that resuming changes no draw."""
    return np.random.default_rng([seed, *key])


def toy_data(toy, options):
    """Fresh draws every epoch: the training set never repeats and cannot be memorised."""
    train_size = options.train_size or 65536
    held_out = toy.sample(options.held_out_size or 32768, stream(options.seed, 1))

    def epoch(number):
        return as_float(toy.sample(train_size, stream(options.seed, 2, number)))

    return TrainingSet(as_float(held_out), epoch, train_size)


def file_data(name, options):
    """The array in a file, split once at random into training and held-out draws."""
    if options.noise is not None:
        raise TrainingError(f"expected --noise only with a toy, found it with {name}: leave it out")
    draws = read_array(name)
    held_out_size = options.held_out_size or max(1, len(draws) // 10)
    train_size = options.train_size or len(draws) - held_out_size
    if train_size < 1 or train_size + held_out_size > len(draws):
        raise TrainingError(
            f"expected at least {max(train_size, 1)} + {held_out_size} draws to train on and "
            f"hold out, found {len(draws)} in {name}: lower --train-size or --held-out-size"
        )
    draws = as_float(draws[stream(options.seed, 1).permutation(len(draws))])
    train = draws[held_out_size : held_out_size + train_size]

    def epoch(number):
        return train[stream(options.seed, 2, number).permutation(train_size)]

    return TrainingSet(draws[:held_out_size], epoch, train_size)


def as_float(draws):
    return torch.from_numpy(np.ascontiguousarray(draws, dtype=np.float32))


def read_array(name):
    """The [draw x coordinate] array of FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]."""
    path, _, wanted = name.partition(":")
    if not Path(path).is_file():
        raise TrainingError(
            f"expected two_moons, gaussians_K, rings or an existing .npy, .npz or .h5 file, "
            f"found '{name}'"
        )
    if path.endswith(".npy"):
        draws = np.load(path)
    elif path.endswith(".npz"):
        draws = pick(dict(np.load(path)), wanted, path)
    elif path.endswith((".h5", ".hdf5", ".nc")):
        with h5py.File(path, "r") as file:
            draws = file[wanted][()] if wanted in file else pick(datasets(file), wanted, path)
    else:
        raise TrainingError(f"expected a .npy, .npz or .h5 file, found '{path}'")
    if draws.ndim != 2 or draws.shape[1] < 2 or not np.all(np.isfinite(draws)):
        raise TrainingError(
            f"expected finite draws of shape [draw x coordinate] with at least 2 coordinates, "
            f"found shape {draws.shape} or non-finite values in {name}"
        )
    return draws


def datasets(file):
    """All the datasets at the root of an HDF5 file."""
    return {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}


def pick(arrays, wanted, path):
    """The wanted array, or the only one."""
    name = wanted or (next(iter(arrays)) if len(arrays) == 1 else None)
    if name not in arrays:
        raise TrainingError(
            f"expected {path}:NAME with a name among {', '.join(arrays) or '(none)'}, "
            f"found '{wanted}'"
        )
    return np.asarray(arrays[name])


# --- Model --------------------------------------------------------------------------------------


def real_nvp(draws, options):
    """Affine couplings, and a last diagonal layer that gives back the data's mean and scale."""
    dim = draws.shape[1]
    scale, shift = draws.std(dim=0), draws.mean(dim=0)
    if not bool((scale > 0).all()):
        flat = int(torch.argmin(scale))
        raise TrainingError(
            f"expected every coordinate to vary, found coordinate {flat} constant: drop it"
        )
    layers = []
    for mask in half_masks(dim, options.layers, stream(options.seed, 3)):
        kept = int(mask.sum())
        widths = [kept] + options.depth * [options.width] + [2 * (dim - kept)]
        layers.append(AffineCoupling(mask, Conditioner(widths, options.activation)))
    return Flow(dim, layers + [DiagonalAffine(scale, shift)])


@torch.no_grad()
def negative_log_likelihood(flow, draws, at_once=8192):
    """Mean over draws, in nats per draw; `at_once` bounds the memory that it takes."""
    total = sum(flow.log_density(part).sum().double() for part in draws.split(at_once))
    return -float(total) / len(draws)


# --- Training -----------------------------------------------------------------------------------


class Training:
    """A flow on its way: optimiser, learning-rate schedule, best weights so far."""

    GRADIENT_NORM_LIMIT = 5.0

    def __init__(self, flow, options):
        self.flow = flow
        self.options = options
        self.optimiser = torch.optim.Adam(flow.parameters(), lr=options.learning_rate)
        self.schedule = self.make_schedule()
        self.epoch = 0
        self.seconds = 0.0
        self.best = float("inf")
        self.best_epoch = 0
        self.best_weights = None

    def make_schedule(self):
        """Several cuts of the learning rate fit into one patience, so that a stop means that
        smaller steps did not help either."""
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=0.5,
            patience=max(1, self.options.patience // 4),
            threshold=SMALLEST_IMPROVEMENT,
            threshold_mode="abs",
        )

    def run(self, data, checkpoint):
        """Epochs until the held-out likelihood stops improving or a limit is reached."""
        while not (reason := self.finished()):
            start = time.monotonic()
            self.epoch += 1
            train_nll = self.train_epoch(data.epoch(self.epoch))
            held_out_nll = self.evaluate(data.held_out)
            self.keep_best(held_out_nll)
            self.epoch_done(held_out_nll)
            self.seconds += time.monotonic() - start
            self.report(train_nll, held_out_nll)
            self.save(checkpoint)
        self.flow.load_state_dict(self.best_weights)
        return reason

    def epoch_done(self, held_out_nll):
        self.schedule.step(held_out_nll)

    def batch_done(self):
        """For schedules that change the learning rate within an epoch."""

    def evaluate(self, draws):
        return negative_log_likelihood(self.flow, draws)

    def train_epoch(self, draws):
        """One pass over the draws; the mean loss along the way, in nats per draw."""
        total = 0.0
        for batch in draws.split(self.options.batch_size):
            total += self.step(batch) * len(batch)
        return total / len(draws)

    def step(self, batch):
        """One step of the optimiser; the loss before it, in nats per draw."""
        loss = -self.flow.log_density(batch).mean()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"expected a finite loss, found {float(loss)} in epoch {self.epoch}: "
                "lower --learning-rate"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.flow.parameters(), self.GRADIENT_NORM_LIMIT)
        self.optimiser.step()
        self.batch_done()
        return float(loss)

    def keep_best(self, held_out_nll):
        """Any better weights are kept; only a real improvement counts against the patience."""
        if not np.isfinite(held_out_nll):
            raise TrainingError(
                f"expected a finite held-out likelihood, found {held_out_nll} in epoch "
                f"{self.epoch}: lower --learning-rate"
            )
        if held_out_nll < self.best - SMALLEST_IMPROVEMENT:
            self.best_epoch = self.epoch
        if held_out_nll < self.best or self.best_weights is None:
            self.best = held_out_nll
            self.best_weights = {k: v.clone() for k, v in self.flow.state_dict().items()}

    def finished(self):
        """Why to stop, or None."""
        if self.epoch - self.best_epoch >= self.options.patience:
            return "held-out likelihood stopped improving"
        if self.epoch >= self.options.max_epochs:
            return "reached --max-epochs"
        if self.seconds >= 60 * self.options.max_minutes:
            return "reached --max-minutes"
        return None

    def finished_flow(self):
        return self.flow

    def report(self, train_nll, held_out_nll):
        rate = self.optimiser.param_groups[0]["lr"]
        print(
            f"epoch {self.epoch:4d}  train nll {train_nll:8.4f}  held-out nll {held_out_nll:8.4f}"
            f"  best {self.best:8.4f} (epoch {self.best_epoch})  learning rate {rate:.1e}"
            f"  {self.seconds:6.0f} s",
            flush=True,
        )

    STATE = ("epoch", "seconds", "best", "best_epoch", "best_weights")

    def save(self, path):
        """Writes a checkpoint; a kill in mid-write leaves the one before."""
        state = {name: getattr(self, name) for name in self.STATE}
        for name in ("flow", "optimiser", "schedule"):
            state[name] = getattr(self, name).state_dict()
        state["recipe"] = recipe(self.options)
        torch.save(state, f"{path}.partial")
        os.replace(f"{path}.partial", path)

    def restore(self, path):
        """Goes on where the checkpoint was written, if it is of this very training."""
        if not path.exists():
            raise TrainingError(f"expected a checkpoint {path}, found none: leave out --resume")
        state = torch.load(path)
        if state["recipe"] != recipe(self.options):
            raise TrainingError(
                f"expected the options of the checkpoint {path} ({state['recipe']}), "
                f"found {recipe(self.options)}: repeat them, or leave out --resume"
            )
        for name in self.STATE:
            setattr(self, name, state[name])
        for name in ("flow", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])


LIMITS = ("output", "max_epochs", "max_minutes", "patience", "threads", "resume")


def recipe(options):
    """The options that decide what is trained, not how long or where to."""
    return {name: value for name, value in vars(options).items() if name not in LIMITS}


def train_and_save(training, data, options, provenance):
    """Trains until it is done, from the checkpoint where asked to, and writes the flow file.

    `provenance(reason)` has what the file says of where it came from; returns `reason`.
    """
    checkpoint = Path(f"{options.output}.checkpoint")
    if options.resume:
        training.restore(checkpoint)
    reason = training.run(data, checkpoint)
    save_flow(options.output, training.finished_flow(), provenance(reason))
    checkpoint.unlink(missing_ok=True)
    return reason


# --- Command line -------------------------------------------------------------------------------


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", help="a toy, FILE.npy, FILE.npz[:array] or FILE.h5[:dataset]")
    add("-o", "--output", type=Path, required=True, help="flow file to write")
    add("--layers", type=positive(int), default=8, help="affine couplings (default %(default)s)")
    add("--width", type=positive(int), default=64, help="of hidden layers (default %(default)s)")
    add("--depth", type=int, default=2, help="hidden layers (default %(default)s)")
    add("--activation", choices=ACTIVATIONS, default="tanh", help="(default %(default)s)")
    add("--batch-size", type=positive(int), default=1024, help="(default %(default)s)")
    add("--learning-rate", type=positive(float), default=1e-3, help="(default %(default)s)")
    add("--max-epochs", type=positive(int), default=2000, help="(default %(default)s)")
    add("--max-minutes", type=positive(float), default=30.0, help="(default %(default)s)")
    add("--patience", type=positive(int), default=40, help="epochs (default %(default)s)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--train-size", type=positive(int), help="draws an epoch (toys: 65536; files: all others)")
    add("--held-out-size", type=positive(int), help="draws (toys: 32768; files: a tenth)")
    add("--noise", type=positive(float), help="standard deviation (default: the toy's own)")
    add("--threads", type=positive(int), default=1, help="(default %(default)s)")
    add("--resume", action="store_true", help="go on from the checkpoint OUTPUT.checkpoint")
    return parser.parse_args(arguments)


def positive(kind):
    """An argument type that takes only numbers above zero."""

    def convert(text):
        number = kind(text)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return number

    convert.__name__ = f"positive {kind.__name__}"
    return convert


def provenance(training, data, reason):
    """What a reader of the file should know of where it came from."""
    options = training.options
    facts = {
        "trained_by": "train_flow.py",
        "dataset": Path(options.dataset).name,
        "seed": options.seed,
        "epochs": training.epoch,
        "stopped_because": reason,
        "optimiser": "Adam",
        "learning_rate": options.learning_rate,
        "batch_size": options.batch_size,
        "train_size": data.train_size,
        "held_out_size": len(data.held_out),
        "held_out_nll": training.best,
    }
    toy = toy_set(options.dataset, options.noise)
    if toy:
        facts["dataset_noise"] = toy.noise
        facts["fresh_draws_every_epoch"] = "yes"
    return facts


def train(options):
    set_threads(options.threads)
    torch.manual_seed(options.seed)
    toy = toy_set(options.dataset, options.noise)
    data = toy_data(toy, options) if toy else file_data(options.dataset, options)
    training = Training(real_nvp(data.epoch(0), options), options)
    reason = train_and_save(
        training, data, options, lambda reason: provenance(training, data, reason)
    )
    print(f"{options.output}: held-out nll {training.best:.4f} nats per draw; {reason}")


def main():
    try:
        train(parse())
    except (ValueError, OSError) as problem:
        sys.exit(f"train_flow.py: {problem}")
    except KeyboardInterrupt:
        sys.exit("train_flow.py: interrupted; go on with --resume")


if __name__ == "__main__":
    main()
