# SPDX-License-Identifier: BSD-3-Clause
"""The base densities of normalizing flows as PyTorch modules, one class for each type of a file.

Each has log_density(z) [draw], normalised, in nats, and sample(draws, generator, dtype) [draw x
coordinate].  Each converts to a LayerRecord and back.  Automatic differentiation gives the score.
"""

import math

from typing import Any, Sequence

import torch
from torch import Tensor, nn

from flotilla_tools.flow_file import FlowFileError, LayerRecord


class Base(nn.Module):
    """The interface of base densities."""

    type: str

    def log_density(self, z: Tensor) -> Tensor:
        """log q_Z(z) [draw], in nats."""
        raise NotImplementedError

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """[draws x dim]"""
        raise NotImplementedError

    def record(self) -> LayerRecord:
        """The density as a flow file holds it."""
        raise NotImplementedError

    @classmethod
    def from_record(cls, record: LayerRecord, dim: int) -> "Base":
        """The density of a record, in the precision of its arrays."""
        raise NotImplementedError


def _normals(shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=dtype)


class StandardNormal(Base):
    """N(0, I)."""

    type = "standard_normal"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def log_density(self, z: Tensor) -> Tensor:
        return -0.5 * (z * z).sum(dim=1) - 0.5 * z.shape[1] * math.log(2 * math.pi)

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return _normals((draws, self.dim), generator, dtype)

    def record(self) -> LayerRecord:
        return LayerRecord(self.type, {}, {})

    @classmethod
    def from_record(cls, record: LayerRecord, dim: int) -> "StandardNormal":
        return cls(dim)


class _BaseOfArrays(Base):
    """A base density whose buffers are the arrays of its record, named by ARRAYS."""

    ARRAYS: tuple[str, ...] = ()

    def __init__(self, *arrays: Any) -> None:
        super().__init__()
        for name, array in zip(self.ARRAYS, arrays):
            self.register_buffer(name, torch.as_tensor(array))

    def record(self) -> LayerRecord:
        arrays = {name: getattr(self, name).numpy() for name in self.ARRAYS}
        return LayerRecord(self.type, {}, arrays)

    @classmethod
    def from_record(cls, record: LayerRecord, dim: int) -> "_BaseOfArrays":
        arrays = [torch.from_numpy(record.arrays[name]) for name in cls.ARRAYS]
        if any(array.shape[-1] != dim for array in arrays[-2:]):
            raise FlowFileError(f"expected base arrays of {dim} coordinates, found others")
        return cls(*arrays)


class DiagonalNormal(_BaseOfArrays):
    """N(loc, diag(scale^2)); loc, scale [dim].

    In a conditional flow the products of `context_loc` and `context_log_scale` [dim x context_dim]
    with the context are added to loc and to the log scale.
    """

    type = "diagonal_normal"
    ARRAYS = ("loc", "scale")
    CONTEXT_ARRAYS = ("context_loc", "context_log_scale")

    def __init__(
        self, loc: Any, scale: Any, context_loc: Any = None, context_log_scale: Any = None
    ) -> None:
        super().__init__(loc, scale)
        self.conditional = context_loc is not None
        if self.conditional:
            for name, array in zip(self.CONTEXT_ARRAYS, (context_loc, context_log_scale)):
                self.register_buffer(name, torch.as_tensor(array))
        self.register_buffer("context", None)

    def _loc_and_scale(self) -> tuple[Tensor, Tensor]:
        if not self.conditional:
            return self.loc, self.scale
        context = self.context.to(self.loc)
        loc = self.loc + self.context_loc @ context
        return loc, self.scale * torch.exp(self.context_log_scale @ context)

    def log_density(self, z: Tensor) -> Tensor:
        return torch.distributions.Normal(*self._loc_and_scale()).log_prob(z).sum(dim=1)

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        loc, scale = self._loc_and_scale()
        return loc + scale * _normals((draws, len(loc)), generator, dtype)

    def record(self) -> LayerRecord:
        record = super().record()
        names = self.CONTEXT_ARRAYS if self.conditional else ()
        more = {name: getattr(self, name).numpy() for name in names}
        return record._replace(arrays={**record.arrays, **more})

    @classmethod
    def from_record(cls, record: LayerRecord, dim: int) -> "DiagonalNormal":
        base = super().from_record(record, dim)
        more = [record.arrays[name] for name in cls.CONTEXT_ARRAYS if name in record.arrays]
        if not more:
            return base
        if len(more) != 2 or any(array.ndim != 2 or len(array) != dim for array in more):
            raise FlowFileError(f"expected context arrays of {dim} rows in the base density")
        return cls(base.loc, base.scale, *(torch.from_numpy(array) for array in more))


class GaussianMixture(_BaseOfArrays):
    """sum_k weights_k N(loc_k, diag(scale_k^2)); weights [components], the others [... x dim]."""

    type = "gaussian_mixture"
    ARRAYS = ("weights", "loc", "scale")

    def log_density(self, z: Tensor) -> Tensor:
        components = torch.distributions.Normal(self.loc, self.scale).log_prob(z[:, None])
        weights = self.weights / self.weights.sum()
        return torch.logsumexp(components.sum(dim=2) + torch.log(weights), dim=1)

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        k = torch.multinomial(self.weights, draws, replacement=True, generator=generator)
        return self.loc[k] + self.scale[k] * _normals((draws, self.loc.shape[1]), generator, dtype)


class _OnCircles(_BaseOfArrays):
    """A base density some of whose coordinates are on circles: 1 in `circular` [dim]."""

    def __init__(self, *arrays: Any, circular: Any = None) -> None:
        super().__init__(*arrays)
        marks = torch.zeros(len(arrays[0])) if circular is None else torch.as_tensor(circular)
        self.register_buffer("circular", marks.bool())

    def record(self) -> LayerRecord:
        record = super().record()
        if not bool(self.circular.any()):
            return record
        return record._replace(
            arrays={**record.arrays, "circular": self.circular.numpy().astype("int8")}
        )

    @classmethod
    def from_record(cls, record: LayerRecord, dim: int) -> "_OnCircles":
        base = super().from_record(record, dim)
        arrays = [getattr(base, name) for name in cls.ARRAYS]
        circular = record.arrays.get("circular")
        return cls(*arrays, circular=None if circular is None else torch.from_numpy(circular))


class UniformBox(_OnCircles):
    """Uniform on [low, high]; low, high [dim]. On a circle every number stands for a point."""

    type = "uniform_box"
    ARRAYS = ("low", "high")

    def log_density(self, z: Tensor) -> Tensor:
        inside = ((z >= self.low) & (z <= self.high) | self.circular).all(dim=1)
        value = -torch.log(self.high - self.low).sum() + 0.0 * z.sum(dim=1)
        return torch.where(inside, value, torch.full_like(value, -math.inf))

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        share = torch.rand(draws, len(self.low), generator=generator, dtype=dtype)
        return self.low + (self.high - self.low) * share


class CircularNormal(_OnCircles):
    """Independent coordinates: uniform on a circle of centre loc and circumference scale, or
    N(loc, scale^2); loc, scale [dim]."""

    type = "circular_normal"
    ARRAYS = ("loc", "scale")

    def log_density(self, z: Tensor) -> Tensor:
        normal = torch.distributions.Normal(self.loc, self.scale).log_prob(z)
        uniform = -torch.log(self.scale) + 0.0 * z
        return torch.where(self.circular, uniform, normal).sum(dim=1)

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        shape = (draws, len(self.loc))
        uniform = torch.rand(*shape, generator=generator, dtype=dtype) - 0.5
        normal = _normals(shape, generator, dtype)
        return self.loc + self.scale * torch.where(self.circular, uniform, normal)


_ALL: tuple[type[Base], ...] = (
    StandardNormal,
    DiagonalNormal,
    GaussianMixture,
    UniformBox,
    CircularNormal,
)
BASES = {base.type: base for base in _ALL}
"""By the type that a flow file has for them."""
