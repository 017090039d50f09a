# SPDX-License-Identifier: BSD-3-Clause
"""Exact values of an inverse that a library only approximates: Newton steps on its own other
direction, and derivatives by the implicit function theorem."""

import math
from typing import Callable

import torch
from torch import Tensor

from flotilla_tools.importing.networks import ConversionError

STEPS = 6
LARGEST_GAP = 1e-9
"""|f^-1(x) - z| of an x that is believed."""

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""(z, log|det dz/dx|) of x."""


def _jacobian(encode: Encode, x: Tensor) -> tuple[Tensor, Tensor]:
    """(z, its Jacobian [draw x output x input])."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = encode(x)[0]
        outputs = [z[:, i].sum() for i in range(x.shape[1])]
        rows = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
    return z.detach(), torch.stack(rows, dim=1)


def refined(encode: Encode, guess: Tensor, z: Tensor, failing: str) -> tuple[Tensor, Tensor]:
    """(x, log|det dx/dz|) at z with their exact first derivatives, z = encode(x).

    @param guess    the x that the library found
    @param failing  ends the sentence for a z whose x is not found
    """
    target = z.detach()
    x = guess.detach()
    apart = torch.full_like(x, math.inf)
    for _ in range(STEPS):
        found, jacobian = _jacobian(encode, x)
        apart = target - found
        if not torch.all(torch.linalg.det(jacobian).abs() > 0.0):
            break
        x = x + torch.linalg.solve(jacobian, apart.unsqueeze(2)).squeeze(2)
    if not float(apart.abs().max()) <= LARGEST_GAP:
        raise ConversionError(
            "the library does not find the x of every draw z of the base density: z = f^-1(x) is "
            f"{float(apart.abs().max()):.1e} off at the worst of {len(z)} draws{failing}"
        )
    with torch.enable_grad():
        inner = x.detach().requires_grad_()
        log_det = -encode(inner)[1]
        # The zero is for a log det that is the same everywhere.
        (by_x,) = torch.autograd.grad(log_det.sum() + 0.0 * inner.sum(), inner)
    inverse = torch.linalg.inv(_jacobian(encode, x)[1])
    moved = z - target  # zero, but with a derivative
    by_z = torch.einsum("ni,nij->nj", by_x, inverse)
    return (
        x.detach() + torch.einsum("nij,nj->ni", inverse, moved),
        log_det.detach() + (by_z * moved).sum(dim=1),
    )
