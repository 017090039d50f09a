# SPDX-License-Identifier: BSD-3-Clause
"""Maximum likelihood: epochs, the best weights, checkpoints."""

import argparse
import os
import time
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.errors import InputError
from flotilla_tools.torch_flows.flow import Flow, save_flow

SMALLEST_IMPROVEMENT = 1e-4
"""Nats per draw by which the held-out likelihood must rise to count as improving."""


class Options(argparse.Namespace):
    """The options of every training. A kind of flow adds its own."""

    dataset: str
    output: Path
    batch_size: int
    learning_rate: float
    max_minutes: float
    seed: int
    threads: int
    resume: bool


class TrainingSet(NamedTuple):
    """A fixed held-out set [n x dim], and the training set of each epoch."""

    held_out: Tensor
    epoch: Callable[[int], Tensor]  # epoch number -> [n x dim], in random order
    train_size: int


def stream(seed: int, *key: int) -> np.random.Generator:
    """A generator that depends only on seed and key, so that resuming changes no draw."""
    return np.random.default_rng([seed, *key])


@torch.no_grad()
def negative_log_likelihood(flow: Flow, draws: Tensor, at_once: int = 8192) -> float:
    """Mean over draws, in nats per draw; `at_once` bounds the memory that it takes."""
    total = sum(flow.log_density(part).sum().double() for part in draws.split(at_once))
    return -float(total) / len(draws)


# --- Training -----------------------------------------------------------------------------------


class Training:
    """The training of a flow: optimiser, learning-rate schedule, best weights so far."""

    options: Options
    GRADIENT_NORM_LIMIT = 5.0

    def __init__(self, flow: Flow, options: Options) -> None:
        self.flow = flow
        self.options = options
        self.optimiser = torch.optim.Adam(flow.parameters(), lr=options.learning_rate)
        self.schedule = self.make_schedule()
        self.epoch = 0
        self.seconds = 0.0
        self.best = float("inf")
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] | None = None

    def make_schedule(self) -> Any:
        """How the learning rate changes."""
        raise NotImplementedError

    def finished(self) -> str | None:
        """The reason to stop, or None."""
        raise NotImplementedError

    def report(self, train_nll: float, held_out_nll: float) -> None:
        """Says how an epoch went."""
        raise NotImplementedError

    def run(self, data: TrainingSet, checkpoint: Path) -> str:
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

    def epoch_done(self, held_out_nll: float) -> None:
        """For schedules that change the learning rate between epochs."""

    def batch_done(self) -> None:
        """For schedules that change the learning rate within an epoch."""

    def evaluate(self, draws: Tensor) -> float:
        return negative_log_likelihood(self.flow, draws)

    def train_epoch(self, draws: Tensor) -> float:
        """One pass over the draws; the mean loss along the way, in nats per draw."""
        total = 0.0
        for batch in draws.split(self.options.batch_size):
            total += self.step(batch) * len(batch)
        return total / len(draws)

    def step(self, batch: Tensor) -> float:
        """One step of the optimiser; the loss before it, in nats per draw."""
        loss = -self.flow.log_density(batch).mean()
        if not torch.isfinite(loss):
            raise InputError(
                f"expected a finite loss, found {float(loss)} in epoch {self.epoch}: "
                "lower --learning-rate"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.flow.parameters(), self.GRADIENT_NORM_LIMIT)
        self.optimiser.step()
        self.batch_done()
        return float(loss)

    def keep_best(self, held_out_nll: float) -> None:
        """Keeps the weights if they are better. Only a clear improvement resets the patience."""
        if not np.isfinite(held_out_nll):
            raise InputError(
                f"expected a finite held-out likelihood, found {held_out_nll} in epoch "
                f"{self.epoch}: lower --learning-rate"
            )
        if held_out_nll < self.best - SMALLEST_IMPROVEMENT:
            self.best_epoch = self.epoch
        if held_out_nll < self.best or self.best_weights is None:
            self.best = held_out_nll
            self.best_weights = {k: v.clone() for k, v in self.flow.state_dict().items()}

    def finished_flow(self) -> Flow:
        """The flow made of layers that flow files know."""
        return self.flow

    STATE = ("epoch", "seconds", "best", "best_epoch", "best_weights")

    def save(self, path: Path) -> None:
        """Writes a checkpoint. A kill during the write leaves the previous one intact."""
        state = {name: getattr(self, name) for name in self.STATE}
        for name in ("flow", "optimiser", "schedule"):
            state[name] = getattr(self, name).state_dict()
        state["recipe"] = recipe(self.options)
        torch.save(state, f"{path}.partial")
        os.replace(f"{path}.partial", path)

    def restore(self, path: Path) -> None:
        """Resumes from the checkpoint if it belongs to this training."""
        if not path.exists():
            raise InputError(f"expected a checkpoint {path}, found none: leave out --resume")
        state = torch.load(path)
        if state["recipe"] != recipe(self.options):
            raise InputError(
                f"expected the options of the checkpoint {path} ({state['recipe']}), "
                f"found {recipe(self.options)}: repeat them, or leave out --resume"
            )
        for name in self.STATE:
            setattr(self, name, state[name])
        for name in ("flow", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])


LIMITS = ("output", "max_epochs", "max_minutes", "patience", "threads", "resume")


def recipe(options: Options) -> dict[str, Any]:
    """The options that decide what is trained, not how long or where to."""
    return {name: value for name, value in vars(options).items() if name not in LIMITS}


def train_and_save(
    training: Training,
    data: TrainingSet,
    options: Options,
    provenance: Callable[[str], Mapping[str, Any]],
) -> str:
    """Trains to the end, from the checkpoint if requested, and writes the flow file.

    `provenance(reason)` gives the provenance of the file. Returns `reason`.
    """
    checkpoint = Path(f"{options.output}.checkpoint")
    if options.resume:
        training.restore(checkpoint)
    reason = training.run(data, checkpoint)
    save_flow(options.output, training.finished_flow(), provenance(reason))
    checkpoint.unlink(missing_ok=True)
    return reason
