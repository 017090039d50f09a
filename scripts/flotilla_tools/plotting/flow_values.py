"""What a picture of a run needs of its flow: naive draws, densities, latent points, log|det J|."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import image_of, read_flow_file
from flotilla_tools.torch_flows.computing import set_threads
from flotilla_tools.torch_flows.flow import load_flow


class Evaluation(NamedTuple):
    """A flow at some points: x, z [n x dim], log_det_jacobian, log_density [n] (nats)."""

    x: Array
    z: Array
    log_det_jacobian: Array
    log_density: Array


class FlowValues:
    """A flow file, evaluated at points."""

    def __init__(self, path: Path, context: str, threads: int = 1) -> None:
        import torch

        set_threads(threads)
        self._torch = torch
        self.contents = read_flow_file(path)
        self._flow = load_flow(path, context=context)

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(channels, rows, columns) of x, where the flow is one of images."""
        return image_of(self.contents)

    def naive(self, count: int, seed: int) -> Evaluation:
        """At `count` draws z ~ q_Z."""
        generator = self._torch.Generator().manual_seed(seed)
        return self.forward(self._flow.base.sample(count, generator, self._torch.float32).numpy())

    def forward(self, z: Array) -> Evaluation:
        """At latent points z [n x dim]."""
        torch = self._torch
        with torch.no_grad():
            parts = torch.from_numpy(np.asarray(z, dtype=np.float32)).split(1024)
            x, log_det = map(torch.cat, zip(*(self._flow(part) for part in parts)))
            log_density = self._flow.base.log_density(torch.cat(parts)) - log_det
        return Evaluation(x.numpy(), z, log_det.numpy(), log_density.numpy())

    def inverse(self, x: Array) -> Evaluation:
        """At points x [n x dim] of the data space."""
        torch = self._torch
        with torch.no_grad():
            parts = torch.from_numpy(np.asarray(x, dtype=np.float32)).split(8192)
            z, log_det = map(torch.cat, zip(*(self._flow.inverse(part) for part in parts)))
            log_density = self._flow.base.log_density(z) - log_det
        return Evaluation(x, z.numpy(), log_det.numpy(), log_density.numpy())
