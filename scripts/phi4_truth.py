#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Computes the moments of a phi^4 ring to many digits: truth for apps/densities/phi4.c.

    phi4_truth.py --sites 64 --m2 -1 --coupling 0.5
    phi4_truth.py --sites 64 --m2 -1 --coupling 0.5 -o ring.toml
    flotilla compare RUN.h5 --truth ring.toml

S = sum_i (x[i+1] - x[i])^2 / 2 + m2 x[i]^2 / 2 + coupling x[i]^4. The trace of the transfer matrix
to the power of the number of sites is the integral of exp(-S). On an equidistant grid the
trapezoidal rule is exact to rounding, since the kernel is analytic and falls off faster than a
Gaussian. Prints <x^2>, <x^4>, the susceptibility <(sum_i x[i])^2> / sites and log Z, the log of the
integral. With -o also writes what a run of that density can be held against.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flotilla_tools import starting
from flotilla_tools.starting import positive


class Options(argparse.Namespace):
    sites: int
    m2: float
    coupling: float
    nodes: int
    output: Path | None


@dataclass
class Moments:
    square: float
    fourth: float
    susceptibility: float
    log_z: float


def parse(arguments: list[str] | None = None) -> Options:
    parser = starting.parser(__doc__)
    add = parser.add_argument
    add("--sites", type=positive(int), required=True, help="of the ring")
    add("--m2", type=float, required=True, help="mass squared; may be negative")
    add("--coupling", type=positive(float), required=True, help="lambda, of the fourth power")
    add("--nodes", type=positive(int), default=801, help="of the quadrature (default %(default)s)")
    add("-o", "--output", type=Path, metavar="TRUTH.toml", help="file of moments to write")
    return parser.parse_args(arguments, namespace=Options())


def edge(m2: float, coupling: float) -> float:
    """Where the potential is 60 above its minimum: the density is nothing beyond."""
    least = -m2 * m2 / (16 * coupling) if m2 < 0 else 0.0
    square = (-m2 / 2 + np.sqrt(m2 * m2 / 4 + 4 * coupling * (60 + least))) / (2 * coupling)
    return float(np.sqrt(square))


def moments(sites: int, m2: float, coupling: float, nodes: int = 801) -> Moments:
    """Of a ring of sites, by the eigenvalues of the transfer matrix."""
    x, step = np.linspace(-1, 1, nodes, retstep=True)
    x, step = x * edge(m2, coupling), step * edge(m2, coupling)
    potential = m2 * x**2 / 2 + coupling * x**4
    kernel = -((x[:, None] - x[None, :]) ** 2) / 2 - (potential[:, None] + potential[None, :]) / 2
    values, vectors = np.linalg.eigh(step * np.exp(kernel))
    largest = values.max()
    share = np.where(values > 0, values, 0) / largest
    weight = share**sites
    z = weight.sum()

    def mean(of: NDArray[np.float64]) -> float:
        """The mean of a function of one site."""
        return float(weight @ np.einsum("ik,i,ik->k", vectors, of, vectors) / z)

    between = vectors.T @ (x[:, None] * vectors)  # <k| x |l>
    correlation = sum(share**r @ between**2 @ share ** (sites - r) for r in range(sites))
    return Moments(
        mean(x**2), mean(x**4), float(correlation / z), float(sites * np.log(largest) + np.log(z))
    )


def as_toml(found: Moments, options: Options) -> str:
    """The moments of x and of the outputs of apps/densities/phi4.c, for --truth."""
    ring = f"{options.sites} sites, m2 = {options.m2}, coupling = {options.coupling}"
    return f"""\
# A phi^4 ring of {ring}: phi4_truth.py.
[x]
mean = 0
sd = {found.square**0.5:.10g}

[magnetisation]
mean = 0
sd = {(found.susceptibility / options.sites) ** 0.5:.10g}

[square]
mean = {found.square:.10g}

[susceptibility]
mean = {found.susceptibility:.10g}
"""


def tell(options: Options) -> None:
    found = moments(options.sites, options.m2, options.coupling, options.nodes)
    print(f"<x^2>            {found.square:.10g}")
    print(f"<x^4>            {found.fourth:.10g}")
    print(f"susceptibility   {found.susceptibility:.10g}")
    print(f"log Z            {found.log_z:.10g}")
    if options.output is not None:
        options.output.write_text(as_toml(found, options))


if __name__ == "__main__":
    starting.run(parse, tell)
