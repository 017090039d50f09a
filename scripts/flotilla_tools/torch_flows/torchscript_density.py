# SPDX-License-Identifier: BSD-3-Clause
"""Writes any log density that PyTorch can trace as a TorchScript file for `flotilla sample`.

The file holds the module in double precision, and golden values that the module itself computed.
"""

from pathlib import Path
from typing import Any, Dict, Mapping

import torch
from torch import Tensor, nn

from flotilla_tools.torch_flows.computing import default_dtype
from flotilla_tools.torch_flows.torchscript import (
    WIDEST_TILE,
    ExportError,
    fixed,
    traced,
)

FORMAT = "flotilla-torchscript-density"
FORMAT_VERSION = 1


class DensityArchive(nn.Module):
    """What a file holds; the program reads its attributes by their names."""

    golden: Dict[str, torch.Tensor]
    provenance: Dict[str, str]

    def __init__(
        self,
        double: Any,
        dim: int,
        tile_width: int,
        golden: Mapping[str, Tensor],
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.double_ = double
        self.format, self.format_version = FORMAT, FORMAT_VERSION
        self.dim, self.tile_width = dim, tile_width
        self.golden = dict(golden)
        self.provenance = {name: str(value) for name, value in provenance.items()}

    def forward(self, x: Tensor) -> Any:
        return self.double_(x)


def golden_values(module: Any, x: Tensor) -> dict[str, Tensor]:
    """Log densities at these points, and their gradient."""
    x = x.clone().requires_grad_()
    values = module(x)
    if not torch.is_tensor(values) or values.shape != x.shape[:1]:
        found = list(values.shape) if torch.is_tensor(values) else type(values).__name__
        raise ExportError(
            f"expected forward of {list(x.shape)} to return log densities {list(x.shape[:1])}, "
            f"found {found}"
        )
    if not values.requires_grad:
        raise ExportError("expected a log density that depends on its argument, found a constant")
    if not bool(torch.isfinite(values).any()):
        raise ExportError(
            "expected a finite log density at one of the points N(0, I) at least, found none"
        )
    (gradient,) = torch.autograd.grad(values.sum(), x)
    return {"x": x.detach(), "log_density": values.detach(), "gradient": gradient}


def export_density(
    module: Any,
    path: str | Path,
    dim: int,
    tile_width: int = 64,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Writes a module with forward(x) -> [points], the log density in nats up to a constant. It is
    traced, and tried, at points N(0, I)."""
    if not isinstance(module, nn.Module):
        raise ExportError(f"expected a torch.nn.Module, found a {type(module).__name__}")
    if tile_width > WIDEST_TILE:
        raise ExportError(f"expected tiles of at most {WIDEST_TILE} chains, found {tile_width}")
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((tile_width, dim), generator=generator, dtype=torch.float64)
    with default_dtype(torch.float64):
        own = fixed(module.cpu().eval(), torch.float64)
        golden = golden_values(own, x)
        double = traced(own, x, None)
    facts = {"exported_by": "export_torchscript.py", "torch": torch.__version__}
    archive = DensityArchive(double, dim, tile_width, golden, {**facts, **(provenance or {})})
    torch.jit.script(archive).save(str(path))
