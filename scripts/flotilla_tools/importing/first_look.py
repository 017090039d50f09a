# SPDX-License-Identifier: BSD-3-Clause
"""What a checkpoint seems to be, by the names and shapes of its entries: library and version,
dimension, context, layers.

The tables have a row for each library and for each layer; the first row that fits counts.  What
they say is a guess to go on with: a conversion asks for the model or a description.
"""

import re
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Sequence

from torch import Tensor

from flotilla_tools.errors import one_line
from flotilla_tools.importing import checkpoints
from flotilla_tools.importing.checkpoints import Entries
from flotilla_tools.importing.pickles import Foreign

LONGEST_LIST = 12
"""Layers that are listed one by one."""


class Sign(NamedTuple):
    """How entries tell a library and its version: each pattern is the beginning of some entry."""

    library: str
    version: str
    patterns: Sequence[str]
    layers: str
    """How the entries of layer k begin; k is the first group."""


ZUKO_PART = r"\d+\.(hyper|phi|order|mask|_0|A|LU|univariate|network|integrand)\b"

SIGNS = (
    Sign(
        "zuko", "1.6 or later", [rf"(transform\.)+transforms\.{ZUKO_PART}", r"base\.[a-z]"],
        r"(?:transform\.)+transforms\.(\d+)\.",
    ),
    Sign(
        "zuko", "1.0 to 1.5", [rf"(transform\.)+transforms\.{ZUKO_PART}"],
        r"(?:transform\.)+transforms\.(\d+)\.",
    ),
    Sign("zuko", "", [r"transform\.(ode|hyper)\.", r"base\."], r"transform(\.)"),
    Sign("zuko", "before 1.0", [rf"transforms\.{ZUKO_PART}", r"base\."], r"transforms\.(\d+)\."),
    Sign("nflows", "", [r"_transform\._"], r"_transform(?:\._transforms\.(\d+))+\."),
    Sign(
        "nflows", "within another class", [r"\w+\._transforms\.\d+\."],
        r"\w+(?:\._transforms\.(\d+))+\.",
    ),
    Sign("normflows", "", [r"q0\.\d+\.", r"flows\.\d+\.\d+\."], r"flows\.(\d+)\."),
    Sign("normflows", "", [r"flows\.\d+\.", r"q0\."], r"flows\.(\d+)\."),
    Sign(
        "normflows", "", [r"flows\.\d+\.(prqct|mprqat|param_map|flows\.1|[st]\.net)\."],
        r"flows\.(\d+)\.",
    ),
    Sign(
        "pyro", "", [r"transforms\.\d+\.(arn|nn|(lower|upper)_spline)\."],
        r"transforms\.(\d+)\.",
    ),
    Sign(
        "FrEIA", "", [r"module_list\.\d+\.(subnet|w_perm|global_scale|perm|s1|t1|F)"],
        r"module_list\.(\d+)\.",
    ),
)

LAYERS: Mapping[str, Sequence[tuple[str, str]]] = {
    "zuko": (
        ("MaskedAutoregressiveTransform with a monotone network", r"(univariate\.|network|integr)"),
        ("MaskedAutoregressiveTransform", r"order"),
        ("GeneralCouplingTransform", r"mask"),
        ("FFJTransform", r"ode\."),
        ("MaskedAutoregressiveTransform", r"hyper\.\d+\.mask"),
        ("ElementWiseTransform", r"(phi|hyper)\."),
        ("UnconditionalTransform", r"(_0|A|LU|order|loc|scale)$"),
    ),
    "nflows": (
        ("coupling layer", r"transform_features"),
        ("MaskedUMNNAutoregressiveTransform", r"transformer\."),
        ("masked autoregressive layer", r"autoregressive_net\."),
        ("LULinear", r"unconstrained_upper_diag"),
        ("SVDLinear", r"orthogonal_1\."),
        ("QRLinear", r"orthogonal\."),
        ("HouseholderSequence", r"q_vectors"),
        ("NaiveLinear", r"_weight"),
        ("Permutation", r"_permutation"),
        ("BatchNorm", r"running_mean"),
        ("ActNorm", r"log_scale"),
        ("PointwiseAffineTransform", r"_shift"),
        ("spline of each coordinate", r"unnormalized_(pdf|widths)"),
        ("Sigmoid or Logit", r"temperature"),
    ),
    "normflows": (
        ("CoupledRationalQuadraticSpline", r"prqct\."),
        ("AutoregressiveRationalQuadraticSpline", r"mprqat\."),
        ("MaskedAffineAutoregressive", r"autoregressive_net\."),
        ("Residual", r"iresblock\."),
        ("GlowBlock", r"\d+\.flows\.0\.flows\.1\.param_map"),
        ("GlowBlock", r"flows\.0\.flows\.1\.param_map"),
        ("AffineCouplingBlock", r"flows\.1\.param_map"),
        ("Planar", r"u$"),
        ("MaskedAffineFlow", r"b$"),
        ("LULinearPermute", r"linear\.unconstrained_upper_diag"),
        ("Invertible1x1Conv or InvertibleAffine", r"(P|W|log_S)$"),
        ("ActNorm", r"data_dep_init_done"),
        ("Permute", r"perm$"),
        ("Radial", r"z_0"),
        ("AffineConstFlow", r"[st]$"),
    ),
    "pyro": (
        ("SplineAutoregressive", r"spline\.nn\."),
        ("SplineCoupling", r"upper_spline\."),
        ("autoregressive layer", r"arn\."),
        ("autoregressive layer", r"nn\.permutation"),
        ("AffineCoupling", r"nn\."),
        ("BatchNorm", r"moving_mean"),
    ),
    "FrEIA": (
        ("AllInOneBlock", r"(w_perm|global_scale)"),
        ("PermuteRandom", r"perm"),
        ("ActNorm", r"scale$"),
        ("coupling block", r"(subnet|s1|t1|F|G)"),
    ),
}


BASES: Mapping[str, Sequence[tuple[str, str]]] = {
    "zuko": (
        ("DiagNormal or BoxUniform", r"base\.(_0|loc)$"),
        ("BoxUniform", r"base\.lower"),
        ("a conditional or another one", r"base\."),
    ),
    "nflows": (
        ("ConditionalDiagonalNormal", r"_distribution\._context_encoder"),
        ("DiagonalNormal", r"_distribution\.mean_"),
        ("another one", r"_distribution\.(?!_log_z)"),
        ("StandardNormal or BoxUniform, which have no entries", r""),
    ),
    "normflows": (
        ("GaussianMixture", r"q0\.weight_scores"),
        ("DiagGaussian", r"q0\.log_scale"),
        ("one for each scale", r"q0\.\d"),
        ("another one", r"q0\."),
    ),
}


class Seen(NamedTuple):
    """What entries tell of a flow."""

    library: str
    version: str
    base: str
    layers: list[str]
    dim: int | None
    context: int | None


def sign_of(entries: Mapping[str, object]) -> Sign | None:
    """The first sign that entries have; a prefix in front of them is none of theirs."""
    for sign in SIGNS:
        found = [any(re.match(p, name) for name in entries) for p in sign.patterns]
        if all(found):
            return sign
    return None


def is_known(entries: Mapping[str, object]) -> bool:
    """Whether entries are a flow's, of a library that the table has."""
    return sign_of(entries) is not None


def _groups(entries: Entries, sign: Sign) -> dict[str, Entries]:
    """The entries of each layer, without what stands in front of them."""
    groups: dict[str, Entries] = {}
    for name, value in entries.items():
        match = re.match(sign.layers, name)
        if match:
            groups.setdefault(match[0], {})[name[match.end() :]] = value
    return groups


def _layer(library: str, entries: Entries) -> str:
    for kind, pattern in LAYERS.get(library, ()):
        if any(re.match(pattern, name) for name in entries):
            more = _widths(entries)
            return kind + (f" ({more})" if more else "")
    return f"a layer with '{next(iter(entries))}'"


def _widths(entries: Entries) -> str:
    """The inputs and outputs of the linear maps of a conditioner."""
    matrices = [v.shape for n, v in entries.items() if n.endswith("weight") and v.ndim == 2]
    if len(matrices) < 2:
        return ""
    return f"{len(matrices)} linear maps, {matrices[0][1]} to {matrices[-1][0]} numbers"


# --- Dimension and context ----------------------------------------------------------------------


DIMENSION_ENTRIES = (
    (r"base\.(_0|loc|lower)$", -1),
    (r"q0\.(loc|d|log_scale)$", -1),
    (r"_distribution\.mean_$", -1),
    (r".*(_permutation|perm|unconstrained_upper_diag|unconstrained_diagonal)$", -1),
    (r"_transform(\._transforms\.\d+)*\.(running_mean|log_scale|_shift)$", -1),
    (r".*autoregressive_net\.initial_layer\.weight$", -1),
    (r".*transforms\.\d+\.(mask|order)$", -1),
    (r".*(w_perm|global_scale)$", 1),
    (r"transforms\.\d+\.((arn|nn)\.permutation|gamma)$", -1),
    (r".*\.b$", -1),
)
"""Entries whose axis of this number has one place for each coordinate."""


def _dim(entries: Entries) -> int | None:
    if any(re.match(r"q0\.\d", name) for name in entries):
        return None  # of several scales: coordinates are spread over their base densities
    for name, value in entries.items():
        if name.endswith("transform_features"):
            kept = entries.get(name.replace("transform_features", "identity_features"))
            return len(value) + (0 if kept is None else len(kept))
    for pattern, axis in DIMENSION_ENTRIES:
        for name, value in entries.items():
            if re.match(pattern, name) and value.ndim > max(axis, 0):
                return int(value.shape[axis])
    return None


def _inputs(entries: Entries, first: str) -> int | None:
    value = entries.get(first)
    return None if value is None or value.ndim != 2 else int(value.shape[1])


def _context(layer: Entries, dim: int) -> int | None:
    """The size of the context that a layer is told; None if its entries do not tell."""
    for name, value in layer.items():
        if name.endswith("context_layer.weight") and value.ndim == 2:
            return int(value.shape[1])
    inputs = _inputs(layer, "hyper.0.weight")
    if inputs is not None:
        mask = layer.get("mask")
        seen = dim if mask is None else int(mask.sum())
        return max(inputs - seen, 0) if "order" in layer or mask is not None else inputs
    kept = layer.get("identity_features")
    inputs = _inputs(layer, "transform_net.initial_layer.weight")
    if kept is not None and inputs is not None:
        return max(inputs - len(kept), 0)
    return 0 if any("autoregressive_net" in name for name in layer) else None


def look(entries: Entries) -> Seen | None:
    """What entries tell; None if they are of no library that the table has."""
    sign = sign_of(entries)
    if sign is None:
        return None
    groups = _groups(entries, sign)
    dim = _dim(entries)
    sizes = [_context(group, dim or 0) for group in groups.values()]
    context = max((size for size in sizes if size is not None), default=None)
    layers = [_layer(sign.library, group) for group in groups.values()]
    bases = BASES.get(sign.library, ())
    found = [kind for kind, p in bases if any(re.match(p, name) for name in entries)]
    base = found[0] if found else "not told by the entries"
    return Seen(sign.library, sign.version, base, layers, dim, context)


# --- In words -----------------------------------------------------------------------------------


def _listed(layers: Sequence[str]) -> list[str]:
    """The layers, a line for each run of the same."""
    lines: list[tuple[str, int, int]] = []
    for k, layer in enumerate(layers):
        if lines and lines[-1][0] == layer:
            lines[-1] = (layer, lines[-1][1], k)
        else:
            lines.append((layer, k, k))
    shown = [f"  {a if a == b else f'{a} to {b}'}: {kind}" for kind, a, b in lines]
    more = len(shown) - LONGEST_LIST
    return shown[:LONGEST_LIST] + ([f"  and {more} lines more"] if more > 0 else [])


def _number(value: int | None) -> str:
    return "not told by the entries" if value is None else str(value)


def described(seen: Seen) -> list[str]:
    """What was seen, a fact a line."""
    version = f" {seen.version}" if seen.version else ""
    context = "none" if seen.context == 0 else _number(seen.context)
    return [
        f"library: {seen.library}{version}, by the names of its entries",
        f"dimension: {_number(seen.dim)}",
        f"size of the context: {context}",
        f"base density: {seen.base}",
        f"layers, in the order of the library: {len(seen.layers)}",
        *_listed(seen.layers),
    ]


def foreign_classes(found: object) -> list[str]:
    """The classes that a pickle names, apart from PyTorch's and Python's own."""
    names: set[str] = set()
    seen: set[int] = set()
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, Tensor):
            continue
        seen.add(id(value))
        if isinstance(value, Foreign):
            kind = type(value)
            if kind.__module__.split(".")[0] not in ("torch", "builtins", "collections", "numpy"):
                names.add(f"{kind.__module__}.{kind.__name__}")
            waiting += [value.state, value.items, value.arguments]
        elif isinstance(value, Mapping):
            waiting += list(value.values())
        elif isinstance(value, (list, tuple, set)):
            waiting += list(value)
    return sorted(names)


def _needed(path: Path, part: str, found: object) -> list[str]:
    """What to type next."""
    choice = f" --part '{part}'" if part else ""
    lines = ["to convert it, where its library is installed, a function that makes the model:"]
    lines.append(f"  import_flow.py --model mine.py:make_flow {path}{choice} -o mine.h5")
    if isinstance(found, Foreign):
        lines.append("or, if you trust the code that it names, the pickled object itself:")
        lines.append(f"  import_flow.py {path} --trust -o mine.h5")
    lines.append("elsewhere a description, which tells what weights do not (activations, ...):")
    lines.append(f"  import_flow.py --description mine.json {path}{choice} -o mine.h5")
    return lines


UNKNOWN = (
    "no library that this script knows by its entries: give the function that makes the model,",
    "  import_flow.py --model mine.py:make_flow {path} -o mine.h5",
    "or wrap it as a module with forward(z) -> (x, log_det) and inverse(x) -> (z, log_det), and "
    "export that:",
    "  export_torchscript.py --model mine.py:make_flow --state-dict {path} --dim D -o mine.pt",
)

NO_WEIGHTS = (
    "no weights of a flow: expected what torch.save, pickle or safetensors wrote of a model;",
    "next: save it where the model was trained, torch.save(model.state_dict(), 'trained.pt'), and",
    "  import_flow.py trained.pt",
)


def report(path: Path, found: object, part: str = "") -> list[str]:
    """What a checkpoint holds and what to do next, a line each; changes nothing."""
    fits: Callable[[Entries], bool] = is_known
    flows = [checkpoints.named(found, part, path)] if part else checkpoints.candidates(found, fits)
    kind = type(found)
    lines = []
    if isinstance(found, Foreign):
        lines.append(f"{path}: a pickled {kind.__module__}.{kind.__name__}; no code of it was run")
    else:
        lines.append(f"{path}: {checkpoints.contents_in_words(found)}")
    classes = foreign_classes(found)
    if classes:
        more = f" and {len(classes) - 8} others" if len(classes) > 8 else ""
        lines.append(f"classes: {', '.join(classes[:8])}{more}")
    for weights in flows:
        seen = look(weights.entries)
        lines += ["", *(f"{note}" for note in checkpoints.notes_on(weights))]
        lines.append(f"numbers: {checkpoints.numbers_of(weights.entries)}")
        lines += ["no known library"] if seen is None else described(seen)
    if flows:
        chosen = flows[0].name if len(flows) > 1 else part
        lines += ["", *_needed(path, chosen, found)]
    elif isinstance(found, Foreign) or checkpoints.state_dicts(found):
        lines += [line.format(path=path) for line in UNKNOWN]
    else:
        lines += NO_WEIGHTS
    return [f"{'  ' if line.startswith('  ') else ''}{one_line(line)}" for line in lines]
