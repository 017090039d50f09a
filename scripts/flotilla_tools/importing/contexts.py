# SPDX-License-Identifier: BSD-3-Clause
"""Contexts of conditional flows: rescaled within the conditioners, or fixed for good.

A conditioner with the context c adds act(W c + b) to the output of a linear map, and multiplies it
by sigmoid(G c + g).  An affine embedding of the context changes W, b, G and g; a context that is
fixed changes the linear map itself, and the flow has none any more.
"""

import re
import types
from typing import Mapping

import numpy as np
import torch

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import FlowContents, LayerRecord
from flotilla_tools.importing.networks import ConversionError, Described
from flotilla_tools.torch_flows.conditioners import ACTIVATIONS

_TERM = re.compile(r"(context|gate)_(weight|bias|activation)_(\d+)")


def _terms(record: LayerRecord) -> Mapping[int, set[str]]:
    """The kinds of context terms, "context" and "gate", of each linear map that has any."""
    found: dict[int, set[str]] = {}
    for name in record.arrays:
        if "context" not in name and "gate" not in name:
            continue
        term = _TERM.fullmatch(name)
        if term is None:
            raise ConversionError(
                f"a {record.type} with '{name}': its context can be neither rescaled nor fixed here"
            )
        found.setdefault(int(term[3]), set()).add(term[1])
    return found


def _image(arrays: Mapping[str, Array], kind: str, k: int, context: Array) -> Array:
    value = arrays[f"{kind}_weight_{k}"] @ context
    bias = arrays.get(f"{kind}_bias_{k}")
    return value if bias is None else value + bias


def _rescaled_record(record: LayerRecord, scale: Array, shift: Array) -> LayerRecord:
    arrays = dict(record.arrays)
    for k, kinds in _terms(record).items():
        for kind in kinds:
            arrays[f"{kind}_bias_{k}"] = _image(arrays, kind, k, shift)
            arrays[f"{kind}_weight_{k}"] = arrays[f"{kind}_weight_{k}"] * scale
    return record._replace(arrays=arrays)


def _fixed_record(record: LayerRecord, context: Array) -> LayerRecord:
    arrays, attributes = dict(record.arrays), dict(record.attributes)
    for k, kinds in _terms(record).items():
        weight, bias = f"weight_{k}", f"bias_{k}"
        if "context" in kinds:
            term = _image(record.arrays, "context", k, context)
            word = attributes.pop(f"context_activation_{k}", None)
            arrays[bias] = arrays[bias] + (term if word is None else _activated(word, term, record))
        if "gate" in kinds:
            gate = 1.0 / (1.0 + np.exp(-_image(record.arrays, "gate", k, context)))
            per_row = gate.reshape(-1, *(1,) * (arrays[weight].ndim - 1))
            arrays[weight], arrays[bias] = per_row * arrays[weight], gate * arrays[bias]
        for kind in kinds:
            del arrays[f"{kind}_weight_{k}"]
            arrays.pop(f"{kind}_bias_{k}", None)
    return LayerRecord(record.type, attributes, arrays)


def _activated(word: str, values: Array, record: LayerRecord) -> Array:
    net = types.SimpleNamespace(**record.attributes)
    return np.asarray(ACTIVATIONS[word](torch.from_numpy(values), net).numpy())


def _base_at(base: LayerRecord, context: Array, slope: Array | None) -> LayerRecord:
    """The base density with slope c + context for its context c; at that context without slope."""
    arrays = dict(base.arrays)
    if "context_loc" not in arrays:
        return base
    loc, log_scale = arrays.pop("context_loc"), arrays.pop("context_log_scale")
    arrays["loc"] = arrays["loc"] + loc @ context
    arrays["scale"] = arrays["scale"] * np.exp(log_scale @ context)
    if slope is not None:
        arrays.update(context_loc=loc * slope, context_log_scale=log_scale * slope)
    return base._replace(arrays=arrays)


def rescaled(contents: FlowContents, scale: Array, shift: Array) -> FlowContents:
    """The flow whose conditioners are told scale c + shift instead of c; both [context_dim]."""
    base = _base_at(contents.base, shift, scale)
    records = [_rescaled_record(record, scale, shift) for record in contents.records]
    return contents._replace(base=base, records=records)


def fixed(contents: FlowContents, context: Array) -> FlowContents:
    """The flow at this context [context_dim]: one without a context."""
    records = [_fixed_record(record, context) for record in contents.records]
    return FlowContents(contents.dim, 0, _base_at(contents.base, context, None), records)


def applied(contents: FlowContents, context: Described) -> FlowContents:
    """What a description says of the context: {"scale", "shift"} of it, or where it is fixed "at".

    @throws ConversionError  if the flow has a context of another size
    """
    names = ("at",) if "at" in context else ("scale", "shift")
    numbers = [np.asarray(context[name], dtype=np.float64).reshape(-1) for name in names]
    if "at" not in context:  # one number may stand for all
        numbers = [np.resize(a, contents.context_dim) if len(a) == 1 else a for a in numbers]
    if any(len(array) != contents.context_dim for array in numbers):
        raise ConversionError(
            f"expected a context of {contents.context_dim} numbers, found {len(numbers[0])}"
        )
    return fixed(contents, *numbers) if "at" in context else rescaled(contents, *numbers)
