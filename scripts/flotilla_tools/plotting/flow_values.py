# SPDX-License-Identifier: BSD-3-Clause
"""Values of a run's flow for pictures, computed by the program: densities, latent points, l."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import h5py

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import checksum, image_of, read_flow_file
from flotilla_tools.hdf5_files import apart
from flotilla_tools.program import one_machine, run
from flotilla_tools.toys import ToySet, toy_of_flow


class Evaluation(NamedTuple):
    """A flow at some points: x, z [n x dim], log_det_jacobian, log_density [n] (nats)."""

    x: Array
    z: Array
    log_det_jacobian: Array
    log_density: Array


class FlowFacts(NamedTuple):
    """What pictures take from a flow file itself."""

    dim: int
    checksum: str
    image: tuple[int, int, int] | None  # channels, rows, columns of x, if it is an image
    toy: ToySet | None  # what the flow was trained on, if it was a toy


def facts_of(path: Path) -> FlowFacts:
    """The facts of a flow file. Raises FlowFileError if it cannot be used."""
    contents = read_flow_file(path)
    return FlowFacts(contents.dim, checksum(contents), image_of(contents), toy_of_flow(path))


class FlowValues:
    """A flow file, evaluated by `flotilla flow evaluate`."""

    def __init__(self, path: Path, context: str, program: Path, ranks: int = 1) -> None:
        """`context` holds the numbers of a conditional flow's context, as in "0.5,-1"."""
        self._path, self._context = path, context
        self._program, self._ranks = program, ranks
        self.facts = apart(facts_of, path)

    def naive(self, count: int, seed: int) -> Evaluation:
        """At `count` draws z ~ q_Z."""
        return self._evaluate("--naive", str(count), "--seed", str(seed))

    def forward(self, z: Array) -> Evaluation:
        """At latent points z [n x dim]."""
        return self._at(z)

    def inverse(self, x: Array) -> Evaluation:
        """At points x [n x dim] of the data space."""
        return self._at(x, "--inverse")

    def _at(self, points: Array, *words: str) -> Evaluation:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "points.h5"
            with h5py.File(path, "w") as file:
                file["points"] = points
            return self._evaluate("--points", f"{path}:points", *words)

    def _evaluate(self, *words: str) -> Evaluation:
        start = ["mpirun", "-n", str(self._ranks)] if self._ranks > 1 else []
        context = [f"--context={self._context}"] if self._context else []
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "values.h5"
            command = [str(self._program), "flow", "evaluate", str(self._path), "-o", str(output)]
            run([*start, *command, *words, *context], one_machine("none"))
            with h5py.File(output, "r") as file:
                return Evaluation(*(file[name][()] for name in Evaluation._fields))
