# SPDX-License-Identifier: BSD-3-Clause
"""zuko's monotone maps of one coordinate that are curves in flow files: of BPF, GF, NCSF, SOSPF.

zuko finds their inverses by bisection to 1e-6; what it says of x = f(z) is refined by Newton steps
on its own forward direction before it is believed.
"""

import math
from typing import Any, Callable, Mapping, NamedTuple

import torch
from torch import Tensor

from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import ConversionError, Described, Original

REFINEMENTS = 6
LARGEST_GAP = 1e-9
"""|f^-1(x) - z| of an x that is believed."""


class Univariate(NamedTuple):
    """A map: what is described of a layer, and (kind, attributes, parameters) in a flow file."""

    describe: Callable[[Original], dict[str, Any]]
    layout: Callable[[Described], tuple[str, dict[str, Any], int]]


def _bernstein(layer: Described) -> tuple[str, dict[str, Any], int]:
    count = layer["parameters"]
    return "bernstein", {"parameters": float(count), "bound": layer.get("bound", 5.0)}, count


def _gaussianization(layer: Described) -> tuple[str, dict[str, Any], int]:
    components = layer["components"]
    return "gaussianization", {"components": float(components)}, 2 * components


def _circular_spline(layer: Described) -> tuple[str, dict[str, Any], int]:
    bins = int(layer["bins"])
    spline = networks.spline(bins, math.pi, "linear", slope=layer["slope"])
    return "spline", {**spline, "turn": "half"}, 3 * bins - 1


def _sum_of_squares(layer: Described) -> tuple[str, dict[str, Any], int]:
    polynomials, terms = layer["polynomials"], layer["terms"]
    attributes = {
        "polynomials": float(polynomials),
        "degree": float(terms - 1),
        "bound": layer.get("domain", 10.0),
        "slope": layer["slope"],
    }
    return "sum_of_squares", attributes, polynomials * terms + 1


UNIVARIATES: Mapping[str, Univariate] = {
    "BoundedBernsteinTransform": Univariate(
        lambda part: {"parameters": math.prod(part.shapes[0])}, _bernstein
    ),
    "CircularRQSTransform": Univariate(
        lambda part: {"bins": math.prod(part.shapes[0])}, _circular_spline
    ),
    "GaussianizationTransform": Univariate(
        lambda part: {"components": math.prod(part.shapes[0])}, _gaussianization
    ),
    "ShiftedSOSPTransform": Univariate(
        lambda part: {"polynomials": int(part.shapes[0][0]), "terms": int(part.shapes[0][1])},
        _sum_of_squares,
    ),
}


# --- The original's own values ------------------------------------------------------------------


def _jacobian(transform: Original, x: Tensor) -> tuple[Tensor, Tensor]:
    """(transform(x), its Jacobian [draw x output x input])."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = transform(x)
        outputs = [z[:, i].sum() for i in range(x.shape[1])]
        rows = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
    return z.detach(), torch.stack(rows, dim=1)


def refined(transform: Original, z: Tensor) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) at z with their exact first derivatives, z = transform(x)."""
    target = z.detach()
    with torch.no_grad():
        x = transform.inv(target)
    apart = torch.full_like(x, math.inf)
    for _ in range(REFINEMENTS):
        found, jacobian = _jacobian(transform, x)
        apart = target - found
        if not torch.all(torch.linalg.det(jacobian).abs() > 0.0):
            break
        x = x + torch.linalg.solve(jacobian, apart.unsqueeze(2)).squeeze(2)
    if not float(apart.abs().max()) <= LARGEST_GAP:
        raise ConversionError(
            "zuko does not find the x of every draw z of the base density: z = f^-1(x) is "
            f"{float(apart.abs().max()):.1e} off at the worst of {len(z)} draws.  The maps of GF "
            "have values up to 4.9, those of zuko are inverted on [-10, 10]: train the flow on "
            "standardised data, with more components"
        )
    with torch.enable_grad():
        inner = x.detach().requires_grad_()
        log_det = -transform.call_and_ladj(inner)[1]
        (by_x,) = torch.autograd.grad(log_det.sum(), inner)
    inverse = torch.linalg.inv(_jacobian(transform, x)[1])
    moved = z - target  # zero, but with a derivative
    by_z = torch.einsum("ni,nij->nj", by_x, inverse)
    return (
        x.detach() + torch.einsum("nij,nj->ni", inverse, moved),
        log_det.detach() + (by_z * moved).sum(dim=1),
    )
