# SPDX-License-Identifier: BSD-3-Clause
"""Converts models of nflows, normflows, zuko, FrEIA and pyro to flow files, then verifies them.

Golden values always come from the original library, in double precision. The converted flow has to
reproduce them. A layer that flow files do not have is an error that names it: nothing is left out
or approximated.
"""

import copy
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import FlowContents, LayerRecord, write_flow_file
from flotilla_tools.importing import (
    checkpoints,
    contexts,
    first_look,
    freia,
    nflows,
    normflows,
    pyro,
    sbi,
    zuko,
)
from flotilla_tools.importing.loading import (
    load_description,
    load_golden,
    load_model,
    load_weights,
    weights_of,
)
from flotilla_tools.importing.networks import (
    ConversionError,
    Described,
    Parts,
    State,
    foreign_code,
)
from flotilla_tools.importing.sbi import Conditional
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
    "pyro": pyro,
    "zuko": zuko,
}

LARGEST_DEVIATION = 1e-9
"""|found - golden| / max(1, |golden|) of a conversion that is believed."""

SINGLE_ROUNDING = 2.0**-24
"""Half of the distance of neighbouring numbers around 1 in single precision."""

OTHER_NAMES = {"glasflow": "nflows", "nessai": "nflows", "normflow": "normflows"}
"""What a library was called before, and libraries whose flows are those of another."""


# --- Conversion ---------------------------------------------------------------------------------


def known_library(model: Any) -> str | None:
    """The library that a model's class or one of its base classes comes from; None of another."""
    for kind in type(model).__mro__:
        for word in kind.__module__.lower().split("."):
            name = OTHER_NAMES.get(word, word)
            if name in LIBRARIES:
                return name
    return None


def library_of(model: Any) -> str:
    """The library that a model comes from."""
    library = known_library(model)
    if library is not None:
        return library
    if sbi.is_vector_field(model):
        raise ConversionError(
            "a flow of flow matching solves an equation along a vector field, which no layer does; "
            "next: TorchScript, with its solver's steps fixed: export_torchscript.py --model "
            "mine.py:make_posterior --context X_O -o mine.pt"
        )
    whole = f"{type(model).__module__}.{type(model).__name__}"
    inside = [
        name
        for name, part in getattr(model, "_modules", {}).items()
        if known_library(part) and first_look.is_known(part.state_dict())
    ]
    hint = f", whose part '{inside[0]}' is one: return that" if inside else ""
    raise ConversionError(f"expected a model of {', '.join(LIBRARIES)}, found a {whole}{hint}")


def describe(model: Any, context: Array | None = None) -> dict[str, Any]:
    """The description of a live model, ready for JSON.

    @param context  the observation at which a conditional flow is fixed
    """
    return described(sbi.unwrapped(model), context)


def described(whole: Conditional, context: Array | None) -> dict[str, Any]:
    """The description of an unwrapped model, at a context if one is given."""
    with foreign_code("the model could not be described"):
        description = LIBRARIES[library_of(whole.flow)].describe(whole.flow)
        if context is not None:
            description["context"] = {"at": _embedded_at(whole, context).tolist()}
        elif whole.embedding is not None:
            affine = sbi.affine_embedding(whole.embedding)
            if affine is None:
                raise ConversionError(
                    f"its context goes through a network, {type(whole.embedding).__name__}, which "
                    "has to be evaluated at the observation; next: the same command with "
                    f"--context {sbi.observation_in_words(whole)}"
                )
            description["context"] = {"scale": affine[0].tolist(), "shift": affine[1].tolist()}
    return description


def _embedded_at(whole: Conditional, context: Array) -> Array:
    """What the conditioners see of an observation, in double precision."""
    whole = whole._replace(embedding=in_double(whole.embedding))
    with foreign_code(f"the embedding of a context of {context.size} numbers failed"):
        seen = sbi.embedded(whole, torch.from_numpy(context).reshape(1, -1))
    return np.asarray(seen[0].numpy())


def in_double(model: Any) -> Any:
    """A copy in double precision that is not trained; None of None."""
    if model is None:
        return None
    return copy_of(model).cpu().double().eval().requires_grad_(False)


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
    contents = FlowContents(dim, context_dim, base, records)
    if "context" in description:
        contents = contexts.applied(contents, description["context"])
    _expect_finite(contents)
    return contents._replace(base=_simplest(contents.base))


def _expect_finite(contents: FlowContents) -> None:
    """Refuses weights that are NaN or infinite: such a flow has no density."""
    for place, record in [("base", contents.base), *enumerate(contents.records)]:
        for name, array in record.arrays.items():
            if not np.all(np.isfinite(array)):
                raise ConversionError(
                    f"expected finite weights, found NaN or infinity in {name} of layer {place} "
                    f"({record.type}); next: import a checkpoint from before the training diverged"
                )


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

    def __init__(self, whole: Conditional, contents: FlowContents, at: Array | None) -> None:
        super().__init__()
        self.whole = whole
        self.library = library_of(whole.flow)
        self.dim, self.context_dim = contents.dim, contents.context_dim
        self.base = _OriginalBase(self, contents)
        self.at = None if at is None else torch.from_numpy(at)
        self.context: Tensor = None

    def at_context(self, context: Any) -> "Original":
        self.context = torch.as_tensor(context, dtype=torch.float64)
        self.base.draws.context = self.context
        return self

    def told(self, draws: int) -> Tensor | None:
        """What the conditioners see of the context [draw x number]; None without one."""
        if self.at is not None:
            return self.at.expand(draws, -1)
        if self.context is None:
            return None
        return sbi.embedded(self.whole, self.context.expand(draws, -1))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return LIBRARIES[self.library].sampling_map(self.whole.flow, z, self.told(len(z)))


class _OriginalBase(nn.Module):
    """The original's log density, at draws of the converted base."""

    def __init__(self, original: Original, contents: FlowContents) -> None:
        super().__init__()
        self.original = [original]  # in a list: a module would take it for a part
        self.draws = BASES[contents.base.type].from_record(contents.base, contents.dim).double()
        self.draws.context = torch.zeros(contents.context_dim, dtype=torch.float64)

    def sample(self, draws: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return self.draws.sample(draws, generator, dtype)

    def log_density(self, z: Tensor) -> Tensor:
        (original,) = self.original
        library = LIBRARIES[original.library]
        density = library.base_log_density(original.whole.flow, z, original.told(len(z)))
        return density + 0.0 * z.sum(dim=1)


def copy_of(model: Any) -> Any:
    """A copy of a live model. What its last pass computed and kept, as weight_norm does, is cut off
    from its graph first: PyTorch does not copy such tensors."""
    for module in model.modules():
        for name, value in vars(module).items():
            if torch.is_tensor(value) and not value.is_leaf:
                setattr(module, name, value.detach())
            elif isinstance(value, tuple) and any(torch.is_tensor(part) for part in value):
                cut = (part.detach() if torch.is_tensor(part) else part for part in value)
                setattr(module, name, tuple(cut))
    return copy.deepcopy(model)


def constants_in_double(model: Any) -> list[str]:
    """Sets the numbers that layers keep in single precision to double, and those that make an
    inverse inexact to none, and names them."""
    named = set()
    for part in model.modules():
        kind = type(part).__name__
        if known_library(part) == "nflows" and kind in nflows.CONSTANTS:
            constant = nflows.CONSTANTS[kind]
            setattr(part, constant.name, torch.tensor(constant.value(part), dtype=torch.float64))
            named.add(f"{constant.name} of {kind}, {constant.note}")
    return sorted(named)


def golden_of(
    model: Any, contents: FlowContents, description: Described | None = None
) -> dict[str, Array]:
    """Golden values of a live model, by its own library in double precision.

    @param description  of the model, if its context is rescaled or fixed
    """
    whole = sbi.unwrapped(model)
    whole = whole._replace(flow=in_double(whole.flow), embedding=in_double(whole.embedding))
    context = (description or {}).get("context", {})
    at = np.asarray(context["at"], dtype=np.float64) if "at" in context else None
    usual = None
    if "scale" in context:  # a context that the standardisation takes to N(0, 1)
        usual = -np.asarray(context["shift"]), np.asarray(context["scale"])
    constants_in_double(whole.flow)
    with foreign_code("the original failed at draws of its base density"):
        with default_dtype(torch.float64):
            return golden_values(Original(whole, contents, at), usual_context=usual)


def deviations(contents: FlowContents, golden: Mapping[str, Array]) -> dict[str, Array]:
    """(converted flow in PyTorch - golden value) / max(1, |golden value|), for each kind."""
    flow = flow_from_contents(contents, "the conversion").double().requires_grad_(False).eval()
    if contents.context_dim > 0:
        flow.at_context(golden["context"])
    z, tangent = (torch.from_numpy(np.asarray(golden[name])) for name in ("z", "tangent"))
    (x, log_det), (jvp, _) = torch.autograd.functional.jvp(flow, z, tangent)
    found = {"x": x, "log_det": log_det, "jvp": jvp, "base_log_density": flow.base.log_density(z)}
    return {
        name: (value.numpy() - golden[name]) / np.maximum(1.0, np.abs(golden[name]))
        for name, value in found.items()
    }


def deviation(contents: FlowContents, golden: Mapping[str, Array]) -> float:
    """The largest deviation of any kind of the converted flow in PyTorch from golden values."""
    return max(float(np.max(np.abs(d))) for d in deviations(contents, golden).values())


def without_rounded_constant(
    contents: FlowContents, golden: Mapping[str, Array]
) -> tuple[dict[str, Array], list[str]]:
    """Golden values with a normaliser of q_Z in double precision, and a note if it was in single.

    All else is held to double precision.  The normaliser is a constant: the same at every draw, and
    no farther off than its own rounding to single precision.
    """
    values = dict(golden)
    density = values["base_log_density"]
    flow = flow_from_contents(contents, "the conversion").double()
    if contents.context_dim > 0:
        flow.at_context(golden["context"])
    with torch.no_grad():
        apart = density - flow.base.log_density(torch.from_numpy(np.asarray(golden["z"]))).numpy()
    constant = float(np.mean(apart))
    largest = SINGLE_ROUNDING * max(1.0, float(np.max(np.abs(density))))
    spread = float(np.max(np.abs(apart - constant)))
    if not (1e-12 < abs(constant) <= largest and spread <= 1e-3 * abs(constant)):
        return values, []
    values["base_log_density"] = density - constant
    return values, [
        f"log q_Z of the library is {constant:.1e} nats off at every draw: it keeps the normaliser "
        "in single precision; golden values have it in double, and all else agrees in double"
    ]


# --- Files --------------------------------------------------------------------------------------


def write(
    path: str | Path,
    contents: FlowContents,
    golden: Mapping[str, Array],
    provenance: Mapping[str, Any],
) -> list[str]:
    """Writes a flow file of converted contents, if they reproduce their golden values.

    @returns notes on what was compared in single precision
    """
    notes: list[str] = []
    if golden:
        with foreign_code("the converted flow has no values at the golden z"):
            golden, notes = without_rounded_constant(contents, golden)
            found = deviations(contents, golden)
        by_kind = {name: float(np.max(np.abs(values))) for name, values in found.items()}
        apart = {name: value for name, value in by_kind.items() if not value <= LARGEST_DEVIATION}
        if apart:
            worst = max(apart, key=lambda name: apart[name])
            raise ConversionError(
                f"expected the converted flow to reproduce the original's golden values to "
                f"{LARGEST_DEVIATION:g}, found a deviation of {apart[worst]:.1e} in {worst}: the "
                "description does not fit the model, the weights are rounded or others, or another "
                "version of the library computes something else"
            )
    write_flow_file(path, contents, golden, {**torch_version(), **provenance})
    return notes


def export_flow(
    model: Any,
    path: str | Path,
    provenance: Mapping[str, Any] | None = None,
    context: Array | None = None,
) -> None:
    """Writes a live model of one of the libraries, or a posterior of sbi, as a flow file.

    @param context  the observation at which a conditional flow is fixed
    """
    imported = from_live(model, context)
    facts = {"imported_from": imported.library, **(provenance or {})}
    write(path, imported.contents, imported.golden, facts)


class Imported(NamedTuple):
    """A converted model: its library, its contents and its golden values."""

    library: str
    contents: FlowContents
    golden: dict[str, Array]
    description: Described
    notes: list[str]
    """What was unwrapped and what a flow file does not have, a sentence each."""


def from_live(model: Any, context: Array | None = None) -> Imported:
    """A live model, converted; `context` is the observation at which it is fixed."""
    model = pyro.as_module(model)
    whole = sbi.unwrapped(model)
    library = library_of(whole.flow)
    with foreign_code("the model could not be copied to the CPU"):
        whole = whole._replace(flow=copy_of(whole.flow).cpu().eval())
    description = described(whole, context)
    with foreign_code("the model could not be converted"):
        contents = convert(description, whole.flow.state_dict())
    golden = golden_of(model, contents, description)
    notes = whole.notes + constants_in_double(whole.flow)
    return Imported(library, contents, golden, description, notes)


def from_model(
    location: str, state_dict: Path | None, part: str = "", context: Array | None = None
) -> Imported:
    """The model of "FILE.py:function" with these weights; needs the library."""
    model = pyro.as_module(load_model(location))
    notes = load_weights(model, state_dict, part) if state_dict else []
    imported = from_live(model, context)
    return imported._replace(notes=notes + imported.notes)


def from_pickle(path: Path, part: str = "", context: Array | None = None) -> Imported:
    """A pickled model, made by the code that its file names; needs the library."""
    found = checkpoints.read(path, trusted=True)
    for name in part.split(".") if part else ():
        found = found[name] if isinstance(found, Mapping) and name in found else None
    inside = found if isinstance(found, Mapping) else {}
    models = [key for key, value in inside.items() if isinstance(value, nn.Module)]
    if len(models) == 1:
        found = inside[models[0]]
    if isinstance(found, nn.Module) or sbi.is_of_sbi(found):
        return from_live(found, context)
    names = f"{len(models)} models ({', '.join(map(str, models))})" if models else "no model"
    raise ConversionError(
        f"{path}: expected one pickled model, found {names}; next: "
        + (f"choose one, --part {models[0]}" if models else f"import_flow.py {path}")
    )


def from_description(
    path: Path, state_dict: Path, golden: Path | None, part: str = ""
) -> Imported:
    """A described model, without the library. It has golden values only if a file has them."""
    description = load_description(path)
    weights = weights_of(state_dict, part)
    with foreign_code(f"{path}: the description does not fit the weights"):
        contents = convert(description, weights.entries)
    values = load_golden(golden) if golden else {}
    notes = checkpoints.notes_on(weights)
    return Imported(description["library"], contents, values, description, notes)
