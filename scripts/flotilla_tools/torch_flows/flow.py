# SPDX-License-Identifier: BSD-3-Clause
"""Normalizing flows as PyTorch modules, from flow files and into them.

A flow is a map x = f(z) from the latent space to the data space; z ~ its base density.  Arrays are
[draw x coordinate].  Log determinants are [draw], in nats, and always those of the *sampling*
direction: log|det dx/dz|, in forward and in inverse.

    flow = load_flow("two_moons.h5", torch.float64)
    x, log_det = flow(z)
    z, log_det = flow.inverse(x)
    save_flow("copy.h5", flow, {"trained_by": "..."})

`exact_derivatives` gives the dense Jacobian by automatic differentiation: slow, and right.
"""

import copy
from pathlib import Path
from typing import Any, Iterable, Mapping, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import (
    FlowContents,
    FlowFileError,
    LayerRecord,
    context_of,
    read_flow_file,
    write_flow_file,
)
from flotilla_tools.torch_flows.bases import BASES, Base, StandardNormal
from flotilla_tools.torch_flows.layers import LAYERS, Layer, Mapped, layer_from_record

GOLDEN_DRAWS = 32


class Flow(nn.Module):
    """Layers composed in the sampling direction: the first acts on z, the last yields x."""

    def __init__(
        self, dim: int, layers: Iterable[Layer], base: Base | None = None, context_dim: int = 0
    ) -> None:
        """`base` is the density of z, by default N(0, I).  `context_dim` is the size of the
        context, which `at_context` has to set before a conditional flow is used."""
        super().__init__()
        self.dim, self.context_dim = dim, context_dim
        self.base = base or StandardNormal(dim)
        self.layers = nn.ModuleList(layers)

    def forward(self, z: Tensor) -> Mapped:
        log_det = z.new_zeros(len(z))
        for layer in self.layers:
            z, change = layer(z)
            log_det = log_det + change
        return z, log_det

    def inverse(self, x: Tensor) -> Mapped:
        log_det = x.new_zeros(len(x))
        for layer in reversed(self.layers):
            x, change = layer.inverse(x)
            log_det = log_det + change
        return x, log_det

    def log_density(self, x: Tensor) -> Tensor:
        """log q_X(x), the density that the flow learnt, in nats."""
        z, log_det = self.inverse(x)
        return self.base.log_density(z) - log_det

    def at_context(self, context: Any) -> "Flow":
        """Sets the context [context_dim] of the conditioners; returns the flow itself."""
        context = torch.as_tensor(context, dtype=torch.float64)
        if context.shape != (self.context_dim,):
            raise FlowFileError(
                f"expected a context of {self.context_dim} numbers, found {tuple(context.shape)}"
            )
        for module in self.modules():
            if hasattr(module, "context"):
                module.context = context
        return self

    def records(self) -> list[LayerRecord]:
        return [layer.record() for layer in self.layers]


class SamplingMap(Protocol):
    """A map of latent points and its base density. Golden values are computed from them."""

    dim: int
    context_dim: int
    base: Any

    def __call__(self, z: Tensor) -> Mapped:
        """(x, log_det)"""

    def at_context(self, context: Any) -> Any:
        """The map with the context [context_dim] set."""

    def double(self) -> Any:
        """The map in double precision."""


def half_masks(dim: int, layers: int, rng: np.random.Generator) -> list[Array]:
    """Masks for `layers` couplings, in complementary pairs: each pair moves every coordinate.

    In two dimensions the coordinates take turns. In more, each pair draws a random half.
    """
    masks: list[Array] = []
    while len(masks) < layers:
        mask = np.zeros(dim, dtype=np.int8)
        chosen = [0] if dim == 2 else rng.permutation(dim)[: dim // 2]
        mask[chosen] = 1
        masks += [mask, 1 - mask]
    return masks[:layers]


# --- Derivatives --------------------------------------------------------------------------------


class Derivatives(NamedTuple):
    """A flow at some points: x [n x dim], log_det [n], jacobian [n x dim x dim] (row: coordinate
    of x, column: coordinate of z), log_det_gradient [n x dim] (with respect to z)."""

    x: torch.Tensor
    log_det: torch.Tensor
    jacobian: torch.Tensor
    log_det_gradient: torch.Tensor


def exact_derivatives(flow: SamplingMap, z: Tensor) -> Derivatives:
    """The flow at z with its dense Jacobian, one reverse pass per coordinate of x."""
    z = z.detach().requires_grad_()
    x, log_det = flow(z)
    rows = [torch.autograd.grad(x[:, i].sum(), z, retain_graph=True)[0] for i in range(x.shape[1])]
    return Derivatives(
        x.detach(), log_det.detach(), torch.stack(rows, dim=1), log_det_gradient(flow, z)
    )


def log_det_gradient(flow: SamplingMap, z: Tensor) -> Tensor:
    """Gradient of log|det dx/dz| with respect to z, [n x dim]; zero where it is constant."""
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(flow(z)[1].sum() + 0.0 * z.sum(), z, retain_graph=False)
    return gradient


def base_score(base: Base, z: Tensor) -> Tensor:
    """Gradient of log q_Z(z), [n x dim]."""
    z = z.detach().requires_grad_()
    return torch.autograd.grad(base.log_density(z).sum(), z)[0]


def golden_values(
    flow: SamplingMap,
    draws: int = GOLDEN_DRAWS,
    seed: int = 20240229,
    usual_context: tuple[Array, Array] | None = None,
) -> dict[str, Array]:
    """What any reader of the file must reproduce, computed in double precision.

    @param usual_context  (a, b), if contexts are spread as (N(0, 1) + a) / b
    """
    flow = copy.deepcopy(flow).double()
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(flow.context_dim, generator=generator, dtype=torch.float64)
    if usual_context is not None:
        offset, rate = (torch.from_numpy(array) for array in usual_context)
        context = (context + offset) / rate
    if flow.context_dim > 0:
        flow.at_context(context)
    z = flow.base.sample(draws, generator, torch.float64)
    tangent = torch.from_numpy(rng.standard_normal((draws, flow.dim)))
    (x, log_det), (jvp, _) = torch.autograd.functional.jvp(flow, z, tangent)
    golden = {
        "z": z,
        "x": x,
        "log_det": log_det,
        "log_det_gradient": log_det_gradient(flow, z),
        "tangent": tangent,
        "jvp": jvp,
        "base_log_density": flow.base.log_density(z),
        "base_score": base_score(flow.base, z),
        **({"context": context} if flow.context_dim > 0 else {}),
    }
    golden = {name: value.numpy() for name, value in golden.items()}
    for name, value in golden.items():
        if not np.all(np.isfinite(value)):
            raise FlowFileError(
                f"expected finite golden values, found NaN or infinity in {name}: "
                "the flow overflows on draws of its base density and is not worth saving"
            )
    return golden


# --- The flow file ------------------------------------------------------------------------------


def save_flow(path: str | Path, flow: Flow, provenance: Mapping[str, Any]) -> None:
    """Writes the flow, its golden values and its checksum, completely or not at all."""
    flow = copy.deepcopy(flow).cpu()
    contents = FlowContents(flow.dim, flow.context_dim, flow.base.record(), flow.records())
    write_flow_file(path, contents, golden_values(flow), {**torch_version(), **provenance})


def torch_version() -> dict[str, str]:
    """The version of PyTorch that computed golden values."""
    return {"torch_version": str(torch.__version__)}


def load_flow(path: str | Path, dtype: torch.dtype = torch.float32, context: str = "") -> Flow:
    """The flow in `path`, with its checksum verified. Its parameters are in `dtype`, without grad.

    `context` holds the numbers of a conditional flow's context: "0.5,-1".
    """
    contents = read_flow_file(path)
    flow = flow_from_contents(contents, path).to(dtype).requires_grad_(False).eval()
    return flow.at_context(context_of(context, contents.context_dim, path))


def flow_from_contents(contents: FlowContents, path: str | Path) -> Flow:
    """The modules of a flow, in the precision of its arrays; errors begin with `path`."""
    dim, context_dim, base, records = contents
    layers = []
    if base.type not in BASES:
        raise FlowFileError(
            f"{path}: expected a base density among {', '.join(BASES)}, found '{base.type}'"
        )
    for i, record in enumerate(records):
        if record.type not in LAYERS:
            raise FlowFileError(
                f"{path}: expected layer {i} to be one of {', '.join(LAYERS)}, "
                f"found '{record.type}'; a newer version may know it"
            )
        try:
            layers.append(layer_from_record(record))
        except KeyError as missing:
            raise FlowFileError(
                f"{path}: expected layer {i} ({record.type}) to have {missing}, found none; "
                "export the flow again"
            ) from None
        except (FlowFileError, TypeError) as problem:
            raise FlowFileError(f"{path}: layer {i} ({record.type}): {problem}") from None
    return Flow(dim, layers, BASES[base.type].from_record(base, dim), context_dim)
