# SPDX-License-Identifier: BSD-3-Clause
"""A RealNVP trained on a toy or on a user's draws."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.run_draws import is_run_file, read_points
from flotilla_tools.torch_flows.computing import set_threads
from flotilla_tools.torch_flows.conditioners import Conditioner
from flotilla_tools.torch_flows.flow import Flow, half_masks
from flotilla_tools.torch_flows.layers import AffineCoupling, DiagonalAffine
from flotilla_tools.toys import ToySet, toy_set
from flotilla_tools.training import training
from flotilla_tools.training.training import (
    SMALLEST_IMPROVEMENT,
    Training,
    TrainingSet,
    stream,
    train_and_save,
)


class Options(training.Options):
    """The options of training a RealNVP."""

    layers: int
    width: int
    depth: int
    activation: str
    max_epochs: int
    patience: int
    train_size: int | None
    held_out_size: int | None
    noise: float | None


# --- Data ---------------------------------------------------------------------------------------


def toy_data(toy: ToySet, options: Options) -> TrainingSet:
    """New draws in every epoch: the training set never repeats and cannot be memorised."""
    train_size = options.train_size or 65536
    held_out = toy.sample(options.held_out_size or 32768, stream(options.seed, 1))

    def epoch(number: int) -> Tensor:
        return as_float(toy.sample(train_size, stream(options.seed, 2, number)))

    return TrainingSet(as_float(held_out), epoch, train_size)


def file_data(name: str, options: Options) -> TrainingSet:
    """The array in a file, or the draws of a run, split once into training and held-out draws."""
    if options.noise is not None:
        raise InputError(f"expected --noise only with a toy, found it with {name}: leave it out")
    draws = read_draws(name)
    held_out_size = options.held_out_size or max(1, len(draws) // 10)
    train_size = options.train_size or len(draws) - held_out_size
    if train_size < 1 or train_size + held_out_size > len(draws):
        raise InputError(
            f"expected at least {max(train_size, 1)} + {held_out_size} draws to train on and "
            f"hold out, found {len(draws)} in {name}: lower --train-size or --held-out-size"
        )
    draws = as_float(draws[order(is_run_file(name), len(draws), held_out_size, options.seed)])
    train = draws[held_out_size : held_out_size + train_size]

    def epoch(number: int) -> Tensor:
        return train[stream(options.seed, 2, number).permutation(train_size)]

    return TrainingSet(draws[:held_out_size], epoch, train_size)


def order(of_run: bool, count: int, held_out_size: int, seed: int) -> Array:
    """Which draw comes where: at random, held-out ones first. Of a run these are those of the last
    chains: draws of one chain resemble each other, so that others of theirs would have been seen
    in training."""
    random = stream(seed, 1)
    if not of_run:
        return random.permutation(count)
    others = count - held_out_size
    return np.concatenate([np.arange(others, count), random.permutation(others)])


def as_float(draws: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(draws, dtype=np.float32))


def read_draws(name: str) -> Array:
    """The finite [draw x coordinate] array of FILE.npy, FILE.npz[:array], FILE.h5[:dataset] or a
    run file."""
    draws = read_points(name, "two_moons, gaussians_K, rings")
    if draws.ndim != 2 or draws.shape[1] < 2 or not np.all(np.isfinite(draws)):
        raise InputError(
            f"expected finite draws of shape [draw x coordinate] with at least 2 coordinates, "
            f"found shape {draws.shape} or non-finite values in {name}"
        )
    return draws


# --- Model --------------------------------------------------------------------------------------


def real_nvp(draws: Tensor, options: Options) -> Flow:
    """Affine couplings, then a diagonal layer that restores the data's mean and scale."""
    dim = draws.shape[1]
    scale, shift = draws.std(dim=0), draws.mean(dim=0)
    if not bool((scale > 0).all()):
        flat = int(torch.argmin(scale))
        raise InputError(
            f"expected every coordinate to vary, found coordinate {flat} constant: drop it"
        )
    layers = []
    for mask in half_masks(dim, options.layers, stream(options.seed, 3)):
        kept = int(mask.sum())
        widths = [kept] + options.depth * [options.width] + [2 * (dim - kept)]
        layers.append(AffineCoupling(mask, Conditioner(widths, options.activation)))
    return Flow(dim, layers + [DiagonalAffine(scale, shift)])


# --- Training -----------------------------------------------------------------------------------


class PlateauTraining(Training):
    """The training of a RealNVP. The learning rate falls once the held-out likelihood stagnates."""

    options: Options

    def make_schedule(self) -> Any:
        """Several cuts of the learning rate fit into one patience. A stop then means that smaller
        steps did not help either."""
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=0.5,
            patience=max(1, self.options.patience // 4),
            threshold=SMALLEST_IMPROVEMENT,
            threshold_mode="abs",
        )

    def epoch_done(self, held_out_nll: float) -> None:
        self.schedule.step(held_out_nll)

    def finished(self) -> str | None:
        """The reason to stop, or None."""
        if self.epoch - self.best_epoch >= self.options.patience:
            return "held-out likelihood stopped improving"
        if self.epoch >= self.options.max_epochs:
            return "reached --max-epochs"
        if self.seconds >= 60 * self.options.max_minutes:
            return "reached --max-minutes"
        return None

    def report(self, train_nll: float, held_out_nll: float) -> None:
        rate = self.optimiser.param_groups[0]["lr"]
        print(
            f"epoch {self.epoch:4d}  train nll {train_nll:8.4f}  held-out nll {held_out_nll:8.4f}"
            f"  best {self.best:8.4f} (epoch {self.best_epoch})  learning rate {rate:.1e}"
            f"  {self.seconds:6.0f} s",
            flush=True,
        )


def provenance(training: PlateauTraining, data: TrainingSet, reason: str) -> dict[str, Any]:
    """The provenance of the file."""
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


def train(options: Options) -> str:
    """Trains the flow and writes it. Returns the outcome in one line."""
    set_threads(options.threads)
    torch.manual_seed(options.seed)
    toy = toy_set(options.dataset, options.noise)
    data = toy_data(toy, options) if toy else file_data(options.dataset, options)
    own = PlateauTraining(real_nvp(data.epoch(0), options), options)
    reason = train_and_save(own, data, options, lambda reason: provenance(own, data, reason))
    return f"{options.output}: held-out nll {own.best:.4f} nats per draw; {reason}"
