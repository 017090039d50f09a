# SPDX-License-Identifier: BSD-3-Clause
"""The flow file (format version 1) without PyTorch: reading, writing, checksum, base draws.

A flow is a map x = f(z) from the latent space to the data space; z ~ its base density.
"""

import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

import h5py
import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import attributes_of, opened, write_attributes

FORMAT = "flotilla-flow"
FORMAT_VERSION = 1

Attributes = Mapping[str, Any]
"""Of a layer: texts and numbers."""


class FlowFileError(InputError):
    """A flow file that cannot be used."""


class LayerRecord(NamedTuple):
    """A layer as the file holds it: its type, its other attributes, its arrays."""

    type: str
    attributes: Attributes
    arrays: Mapping[str, Array]

    def with_attributes(self, **more: str | float) -> "LayerRecord":
        """The same layer with more attributes."""
        return self._replace(attributes={**self.attributes, **more})

    def with_arrays(self, more: Mapping[str, Array]) -> "LayerRecord":
        """The same layer with more arrays."""
        return self._replace(arrays={**self.arrays, **more})


class FlowContents(NamedTuple):
    """All that determines a flow: its sizes and the records of its base density and its layers."""

    dim: int
    context_dim: int
    base: LayerRecord
    records: Sequence[LayerRecord]


def checksum(contents: FlowContents) -> str:
    """SHA-256 of all that determines the draws: base density and layers, attributes and arrays."""
    dim, context_dim, base, records = contents
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


# --- Writing ------------------------------------------------------------------------------------


def write_flow_file(
    path: str | Path,
    contents: FlowContents,
    golden: Mapping[str, Array],
    provenance: Mapping[str, Any],
) -> None:
    """Writes a flow file from its parts, whole or not at all; `golden` may be empty."""
    partial = f"{path}.partial"
    with h5py.File(partial, "w") as file:
        file.attrs["format_version"] = np.int64(FORMAT_VERSION)
        file.attrs["dim"] = np.int64(contents.dim)
        if contents.context_dim > 0:
            file.attrs["context_dim"] = np.int64(contents.context_dim)
        write_attributes(file, {"format": FORMAT, "checksum": checksum(contents)})
        _write_layer(file.create_group("base"), contents.base)
        for i, record in enumerate(contents.records):
            _write_layer(file.create_group(f"layers/{i:04d}"), record)
        for name, value in golden.items():
            file.create_dataset(f"golden/{name}", data=value)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_attributes(file.create_group("provenance"), {"created_at": now, **provenance})
    os.replace(partial, path)


def _write_layer(group: h5py.Group, record: LayerRecord) -> None:
    write_attributes(group, {"type": record.type, **record.attributes})
    for name, array in record.arrays.items():
        group.create_dataset(name, data=array)


# --- Reading ------------------------------------------------------------------------------------


def read_flow_file(path: str | Path) -> FlowContents:
    """The contents of a flow file. Raises FlowFileError if the checksum does not fit."""
    with opened(path, "a readable flow file") as file:
        facts = attributes_of(file)
        found = facts.get("format", "nothing"), facts.get("format_version")
        if found != (FORMAT, FORMAT_VERSION):
            raise FlowFileError(
                f"{path}: expected format {FORMAT} version {FORMAT_VERSION}, "
                f"found {found[0]} version {found[1]}; write it with train_flow.py"
            )
        contents = read_contents(file)
        stored = facts["checksum"]
    fits = checksum(contents)
    if stored != fits:
        raise FlowFileError(
            f"{path}: expected checksum {stored}, found {fits}; "
            "the file was changed after it was written: get or train it again"
        )
    return contents


def read_contents(file: h5py.File) -> FlowContents:
    """The contents of an open flow file; its checksum is not verified."""
    names = [f"{i:04d}" for i in range(len(file["layers"]))]
    return FlowContents(
        int(file.attrs["dim"]),
        int(file.attrs.get("context_dim", 0)),
        read_layer(file["base"]),
        [read_layer(file["layers"][name]) for name in names],
    )


def read_layer(group: h5py.Group) -> LayerRecord:
    """A layer or a base density from its group."""
    attributes: dict[str, Any] = {
        name: value if isinstance(value, str) else float(value)
        for name, value in attributes_of(group).items()
    }
    arrays = {name: dataset[()] for name, dataset in group.items()}
    return LayerRecord(str(attributes.pop("type")), attributes, arrays)


# --- What the records say -----------------------------------------------------------------------


def context_of(text: str, size: int, path: str | Path) -> Array:
    """The numbers [size] of a context such as "0.5,-1"; empty for an unconditional flow."""
    try:
        numbers = [float(number) for number in text.split(",") if number]
    except ValueError:
        raise FlowFileError(f"expected a context as in 0.5,-1, found '{text}'") from None
    if len(numbers) != size:
        raise FlowFileError(f"{path}: expected a context of {size} numbers, found {len(numbers)}")
    return np.array(numbers)


def image_of(contents: FlowContents) -> tuple[int, int, int] | None:
    """(channels, rows, columns) of the data, from a squeeze of all coordinates; else None."""
    found = None
    for record in contents.records:
        if record.type == "squeeze" and int(np.prod(record.arrays["image"])) == contents.dim:
            channels, rows, columns = (int(size) for size in record.arrays["image"])
            found = channels, rows, columns
    return found


def base_draws(
    contents: FlowContents, count: int, context: Array, rng: np.random.Generator
) -> Array:
    """[count x dim] draws of the base density; `context` [context_dim]."""
    kind, arrays = contents.base.type, contents.base.arrays
    shape = (count, contents.dim)
    if kind == "standard_normal":
        return rng.standard_normal(shape)
    if kind == "uniform_box":
        return np.asarray(rng.uniform(arrays["low"], arrays["high"], shape))
    if kind == "gaussian_mixture":
        weights = arrays["weights"] / arrays["weights"].sum()
        k = rng.choice(len(weights), size=count, p=weights)
        return np.asarray(arrays["loc"][k] + arrays["scale"][k] * rng.standard_normal(shape))
    if kind != "diagonal_normal":
        raise FlowFileError(f"expected a base density that can be drawn from, found '{kind}'")
    loc, scale = arrays["loc"], arrays["scale"]
    if "context_loc" in arrays:
        loc = loc + arrays["context_loc"] @ context
        scale = scale * np.exp(arrays["context_log_scale"] @ context)
    return np.asarray(loc + scale * rng.standard_normal(shape))
