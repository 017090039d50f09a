# SPDX-License-Identifier: BSD-3-Clause
"""Converts models of nflows, normflows, zuko and FrEIA to flow files, then verifies the result.

Golden values always come from the original library, in double precision. The converted flow has to
reproduce them. A layer that flow files do not have is an error that names it: nothing is left out
or approximated.
"""

import copy
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import FlowContents, LayerRecord, write_flow_file
from flotilla_tools.importing import freia, nflows, normflows, zuko
from flotilla_tools.importing.networks import ConversionError, Described, Parts, State
from flotilla_tools.torch_flows.bases import BASES
from flotilla_tools.torch_flows.computing import default_dtype
from flotilla_tools.torch_flows.flow import flow_from_contents, golden_values, torch_version


class Library(Protocol):
    """The functions of an importer for its library."""

    def describe(self, model: Any) -> dict[str, Any]:
        """The description of a live model: all that its state dict does not tell."""

    def convert(self, description: Described, state: State) -> Parts:
        """Converts a description and a state dict to the parts of a flow file."""

    def sampling_map(self, model: Any, z: Tensor, context: Any) -> tuple[Tensor, Tensor]:
        """(x, log|det dx/dz|) by the library itself."""

    def base_log_density(self, model: Any, z: Tensor, context: Any) -> Tensor:
        """log q_Z(z) by the library itself."""


LIBRARIES: Mapping[str, Library] = {
    "freia": freia,
    "nflows": nflows,
    "normflows": normflows,
    "zuko": zuko,
}

LARGEST_DEVIATION = 1e-9
"""|found - golden| / max(1, |golden|) of a conversion that is believed."""


# --- Conversion ---------------------------------------------------------------------------------


def library_of(model: Any) -> str:
    """The library that a model's class or one of its base classes comes from."""
    for kind in type(model).__mro__:
        name = kind.__module__.split(".")[0].lower()
        if name in LIBRARIES:
            return name
    raise ConversionError(
        f"expected a model of {', '.join(LIBRARIES)}, found a {type(model).__module__}."
        f"{type(model).__name__}"
    )


def describe(model: Any) -> dict[str, Any]:
    """The description of a live model, ready for JSON."""
    return LIBRARIES[library_of(model)].describe(model)


def convert(description: Described, state_dict: Mapping[str, Any]) -> FlowContents:
    """The FlowContents of a description and a state dict, in double precision."""
    library = str(description.get("library"))
    if library not in LIBRARIES:
        raise ConversionError(
            f"expected a description whose library is one of {', '.join(LIBRARIES)}, "
            f"found {library}"
        )
    for name in ("base", "layers"):
        if name not in description:
            raise ConversionError(f"expected '{name}' in the description, found none")
    state = State(state_dict)
    try:
        dim, context_dim, base, records = LIBRARIES[library].convert(description, state)
    except KeyError as missing:
        raise ConversionError(f"expected {missing} in the description, found none") from None
    if state.left():
        raise ConversionError(
            f"expected every entry of the state dict to be described, found {len(state.left())} "
            f"that are not: {', '.join(state.left()[:5])}"
        )
    if not records:
        records = [LayerRecord("permutation", {}, {"indices": np.arange(dim)})]
    return FlowContents(dim, context_dim, _simplest(base), records)


def _simplest(base: LayerRecord) -> LayerRecord:
    """Replaces a diagonal normal at zero with unit scale by the standard normal."""
    if base.type != "diagonal_normal":
        return base
    if "context_loc" in base.arrays:
        return base
    if np.all(base.arrays["loc"] == 0.0) and np.all(base.arrays["scale"] == 1.0):
        return LayerRecord("standard_normal", {}, {})
    return base


# --- Golden values ------------------------------------------------------------------------------


class Original(nn.Module):
    """A live model with the interface of a Flow. Golden values are computed from it."""

    def __init__(self, model: Any, contents: FlowContents) -> None:
        super().__init__()
        self.model = model
        self.dim, self.context_dim = contents.dim, contents.context_dim
        self.base = _OriginalBase(model, contents)
        self.context: Tensor = None

    def at_context(self, context: Any) -> "Original":
        self.context = torch.as_tensor(context, dtype=torch.float64)
        self.base.context = self.context
        return self

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        context = None if self.context is None else self.context.expand(len(z), -1)
        return LIBRARIES[library_of(self.model)].sampling_map(self.model, z, context)


class _OriginalBase(nn.Module):
    """The original's log density, at draws of the converted base."""

    def __init__(self, model: Any, contents: FlowContents) -> None:
        super().__init__()
        self.model = model
        self.draws = BASES[contents.base.type].from_record(contents.base, contents.dim).double()
        self.draws.context = torch.zeros(contents.context_dim, dtype=torch.float64)
        self.context: Tensor = None

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return self.draws.sample(draws, generator, dtype)

    def log_density(self, z: Tensor) -> Tensor:
        library = LIBRARIES[library_of(self.model)]
        context = None if self.context is None else self.context.expand(len(z), -1)
        return library.base_log_density(self.model, z, context) + 0.0 * z.sum(dim=1)


def copy_of(model: Any) -> Any:
    """A copy of a live model. What its last pass computed and kept, as weight_norm does, is cut off
    from its graph first: PyTorch does not copy such tensors."""
    for module in model.modules():
        for name, value in vars(module).items():
            if torch.is_tensor(value) and not value.is_leaf:
                setattr(module, name, value.detach())
    return copy.deepcopy(model)


def golden_of(model: Any, contents: FlowContents) -> dict[str, Array]:
    """Golden values of a live model, by its own library in double precision."""
    model = copy_of(model).double().eval().requires_grad_(False)
    with default_dtype(torch.float64):
        return golden_values(Original(model, contents))


def deviation(contents: FlowContents, golden: Mapping[str, Array]) -> float:
    """The largest deviation of any kind of the converted flow in PyTorch from golden values."""
    flow = flow_from_contents(contents, "the conversion").double().requires_grad_(False).eval()
    if contents.context_dim > 0:
        flow.at_context(golden["context"])
    z, tangent = (torch.from_numpy(np.asarray(golden[name])) for name in ("z", "tangent"))
    (x, log_det), (jvp, _) = torch.autograd.functional.jvp(flow, z, tangent)
    found = {"x": x, "log_det": log_det, "jvp": jvp, "base_log_density": flow.base.log_density(z)}
    return max(
        float(np.max(np.abs(value.numpy() - golden[name]) / np.maximum(1.0, np.abs(golden[name]))))
        for name, value in found.items()
    )


# --- Files --------------------------------------------------------------------------------------


def write(
    path: str | Path,
    contents: FlowContents,
    golden: Mapping[str, Array],
    provenance: Mapping[str, Any],
) -> None:
    """Writes a flow file of converted contents, if they reproduce their golden values."""
    if golden:
        distance = deviation(contents, golden)
        if not distance <= LARGEST_DEVIATION:
            raise ConversionError(
                f"expected the converted flow to reproduce the original's golden values to "
                f"{LARGEST_DEVIATION:g}, found a deviation of {distance:.1e}: the description does "
                "not fit the model, or another version of the library computes something else"
            )
    write_flow_file(path, contents, golden, {**torch_version(), **provenance})


def export_flow(model: Any, path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a live model of one of the libraries as a flow file."""
    model = copy_of(model).cpu().eval()
    contents = convert(describe(model), model.state_dict())
    facts = {"imported_from": library_of(model), **(provenance or {})}
    write(path, contents, golden_of(model, contents), facts)


def load_model(location: str) -> Any:
    """The result of the function in "FILE.py:function"."""
    path, _, name = location.partition(":")
    if not name or not Path(path).is_file():
        raise ConversionError(f"expected --model FILE.py:function, found '{location}'")
    spec = importlib.util.spec_from_file_location("model", path)
    if spec is None or spec.loader is None:
        raise ConversionError(f"expected --model FILE.py:function, found '{location}'")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)()
    except (ImportError, AttributeError) as problem:
        raise ConversionError(f"--model {location}: {problem}") from None


def load_state_dict(path: str | Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # torch has no type of its own for this, and its advice is to trust the file
        raise ConversionError(
            f"{path}: expected a state dict, torch.save(model.state_dict(), ...), "
            "found another file"
        ) from None
    if not isinstance(found, dict) or not all(torch.is_tensor(v) for v in found.values()):
        raise ConversionError(f"{path}: expected a state dict of tensors, found something else")
    return found


def load_weights(model: Any, path: Path) -> None:
    """Loads the weights of a file into a model."""
    try:
        model.load_state_dict(load_state_dict(path))
    except (RuntimeError, AttributeError) as problem:
        more = " ".join(str(problem).split())
        raise ConversionError(f"{path}: expected weights of the model, found: {more}") from None


def load_description(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ConversionError(f"{path}: expected JSON, found: {problem}") from None


class Imported(NamedTuple):
    """A converted model: its library, its contents and its golden values."""

    library: str
    contents: FlowContents
    golden: dict[str, Array]
    description: Described


def from_model(location: str, state_dict: Path | None) -> Imported:
    """The model of "FILE.py:function" with these weights; needs the library."""
    model = load_model(location)
    if state_dict:
        load_weights(model, state_dict)
    model = model.cpu().eval()
    description = describe(model)
    contents = convert(description, model.state_dict())
    return Imported(library_of(model), contents, golden_of(model, contents), description)


def from_description(path: Path, state_dict: Path, golden: Path | None) -> Imported:
    """A described model, without the library. It has golden values only if a file has them."""
    description = load_description(path)
    contents = convert(description, load_state_dict(state_dict))
    values = {}
    if golden:
        with np.load(golden) as file:
            values = {name: file[name] for name in file.files}
    return Imported(description["library"], contents, values, description)
