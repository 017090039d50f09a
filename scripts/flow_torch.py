#!/usr/bin/python3
"""Normalizing flows as PyTorch modules, and the flow file (format version 1) that holds them.

A flow is a map x = f(z) from the latent space to the data space; z ~ its base density.  Arrays are
[draw x coordinate], log determinants are [draw], in nats, and always those of the *sampling*
direction: log|det dx/dz|, whichever way a layer was entered.

    flow = load_flow("two_moons.h5", torch.float64)
    x, log_det = flow(z)
    z, log_det = flow.inverse(x)
    save_flow("copy.h5", flow, {"trained_by": "..."})

`exact_derivatives` gives the dense Jacobian by automatic differentiation: slow, and right.
"""

import copy
import hashlib
import os
from datetime import datetime, timezone
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import nn

from flow_bases import BASES, StandardNormal
from flow_conditioners import FlowFileError, LayerRecord
from flow_layers import LAYERS, layer_from_record

FORMAT = "flotilla-flow"
FORMAT_VERSION = 1
GOLDEN_DRAWS = 32


class Flow(nn.Module):
    """Layers composed in the sampling direction: the first acts on z, the last yields x."""

    def __init__(self, dim, layers, base=None, context_dim=0):
        """`base` is the density of z, N(0, I) where none is given; `context_dim` the size of what
        a conditional flow is told, by `at_context`, before it is used."""
        super().__init__()
        self.dim, self.context_dim = dim, context_dim
        self.base = base or StandardNormal(dim)
        self.layers = nn.ModuleList(layers)

    def forward(self, z):
        log_det = z.new_zeros(len(z))
        for layer in self.layers:
            z, change = layer(z)
            log_det = log_det + change
        return z, log_det

    def inverse(self, x):
        log_det = x.new_zeros(len(x))
        for layer in reversed(self.layers):
            x, change = layer.inverse(x)
            log_det = log_det + change
        return x, log_det

    def log_density(self, x):
        """log q_X(x), the density that the flow learnt, in nats."""
        z, log_det = self.inverse(x)
        return self.base.log_density(z) - log_det

    def at_context(self, context):
        """The flow itself, its conditioners told the context [context_dim]."""
        context = torch.as_tensor(context, dtype=torch.float64)
        if context.shape != (self.context_dim,):
            raise FlowFileError(
                f"expected a context of {self.context_dim} numbers, found {tuple(context.shape)}"
            )
        for module in self.modules():
            if hasattr(module, "context"):
                module.context = context
        return self

    def records(self):
        return [layer.record() for layer in self.layers]


def half_masks(dim, layers, rng):
    """Masks for `layers` couplings, in complementary pairs, so that each pair moves everything.

    In two dimensions the coordinates simply take turns; above, each pair draws a random half.
    """
    masks = []
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


def exact_derivatives(flow, z):
    """The flow at z with its dense Jacobian, one reverse pass per coordinate of x."""
    z = z.detach().requires_grad_()
    x, log_det = flow(z)
    rows = [
        torch.autograd.grad(x[:, i].sum(), z, retain_graph=True)[0] for i in range(x.shape[1])
    ]
    return Derivatives(
        x.detach(), log_det.detach(), torch.stack(rows, dim=1), log_det_gradient(flow, z)
    )


def log_det_gradient(flow, z):
    """Gradient of log|det dx/dz| with respect to z, [n x dim]; zero where it is constant."""
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(
        flow(z)[1].sum() + 0.0 * z.sum(), z, retain_graph=False
    )
    return gradient


def base_score(base, z):
    """Gradient of log q_Z(z), [n x dim]."""
    z = z.detach().requires_grad_()
    return torch.autograd.grad(base.log_density(z).sum(), z)[0]


def golden_values(flow, draws=GOLDEN_DRAWS, seed=20240229):
    """What any reader of the file must reproduce, computed in double precision."""
    flow = copy.deepcopy(flow).double()
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(flow.context_dim, generator=generator, dtype=torch.float64)
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


def checksum(dim, context_dim, base, records):
    """SHA-256 of what determines the draws: base density and layers, with attributes and arrays."""
    digest = hashlib.sha256()
    digest.update(b"flotilla-flow 1\ndim %d\n" % dim)
    if context_dim > 0:
        digest.update(b"context %d\n" % context_dim)
    for what, record in [(b"base", base), *((b"layer", record) for record in records)]:
        digest.update(b"%s %s\n" % (what, record.type.encode()))
        for name, value in sorted(record.attributes.items()):
            if isinstance(value, str):
                digest.update(b"text %s=%s\n" % (name.encode(), value.encode()))
            else:
                number = np.asarray(value, dtype="<f8").tobytes()
                digest.update(b"number %s=%s\n" % (name.encode(), number))
        for name, array in sorted(record.arrays.items()):
            shape = ",".join(str(size) for size in array.shape)
            digest.update(b"array %s %s\n" % (name.encode(), shape.encode()))
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return "sha256:" + digest.hexdigest()


def save_flow(path, flow, provenance):
    """Writes the flow, its golden values and its checksum; the file appears whole or not at all."""
    flow = copy.deepcopy(flow).cpu()
    contents = FlowContents(flow.dim, flow.context_dim, flow.base.record(), flow.records())
    write_flow_file(path, contents, golden_values(flow), provenance)


class FlowContents(NamedTuple):
    """What determines a flow: its sizes, the record of its base density, those of its layers."""

    dim: int
    context_dim: int
    base: LayerRecord
    records: list


def write_flow_file(path, contents, golden, provenance):
    """Writes a flow file from its parts; `golden` maps names to arrays, and may be empty."""
    partial = f"{path}.partial"
    with h5py.File(partial, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = np.int64(FORMAT_VERSION)
        file.attrs["dim"] = np.int64(contents.dim)
        if contents.context_dim > 0:
            file.attrs["context_dim"] = np.int64(contents.context_dim)
        file.attrs["checksum"] = checksum(*contents)
        _write_layer(file.create_group("base"), contents.base)
        for i, record in enumerate(contents.records):
            _write_layer(file.create_group(f"layers/{i:04d}"), record)
        for name, value in golden.items():
            file.create_dataset(f"golden/{name}", data=value)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        stamp = {"torch_version": str(torch.__version__), "created_at": now}
        file.create_group("provenance").attrs.update({**stamp, **provenance})
    os.replace(partial, path)


def _write_layer(group, record):
    group.attrs["type"] = record.type
    group.attrs.update(record.attributes)
    for name, array in record.arrays.items():
        group.create_dataset(name, data=array)


def load_flow(path, dtype=torch.float32, context=""):
    """The flow in `path`, checksum verified, its parameters in `dtype` and not requiring grad.

    `context` has the numbers that a conditional flow is told: "0.5,-1".
    """
    flow = flow_from_contents(read_records(path), path).to(dtype).requires_grad_(False).eval()
    try:
        numbers = [float(number) for number in context.split(",") if number]
    except ValueError:
        raise FlowFileError(f"expected a context as in 0.5,-1, found '{context}'") from None
    if len(numbers) != flow.context_dim:
        raise FlowFileError(
            f"{path}: expected a context of {flow.context_dim} numbers, found {len(numbers)}"
        )
    return flow.at_context(numbers)


def flow_from_contents(contents, path):
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


def read_records(path):
    """The FlowContents of a flow file whose checksum holds."""
    try:
        with h5py.File(path, "r") as file:
            found = _text(file.attrs.get("format", "nothing")), file.attrs.get("format_version")
            if found != (FORMAT, FORMAT_VERSION):
                raise FlowFileError(
                    f"{path}: expected format {FORMAT} version {FORMAT_VERSION}, "
                    f"found {found[0]} version {found[1]}; write it with train_flow.py"
                )
            dim = int(file.attrs["dim"])
            context_dim = int(file.attrs.get("context_dim", 0))
            base = _read_layer(file["base"])
            names = [f"{i:04d}" for i in range(len(file["layers"]))]
            records = [_read_layer(file["layers"][name]) for name in names]
            stored = _text(file.attrs["checksum"])
    except (OSError, KeyError) as problem:
        raise FlowFileError(f"{path}: expected a readable flow file, found: {problem}") from None
    found = checksum(dim, context_dim, base, records)
    if stored != found:
        raise FlowFileError(
            f"{path}: expected checksum {stored}, found {found}; "
            "the file was changed after it was written: get or train it again"
        )
    return FlowContents(dim, context_dim, base, records)


def _read_layer(group):
    attributes = {
        name: _text(value) if isinstance(value, (str, bytes)) else float(value)
        for name, value in group.attrs.items()
    }
    arrays = {name: dataset[()] for name, dataset in group.items()}
    return LayerRecord(attributes.pop("type"), attributes, arrays)


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
