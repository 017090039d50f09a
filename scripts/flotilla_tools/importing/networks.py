# SPDX-License-Identifier: BSD-3-Clause
"""Shared by the importers of flows: reading state dicts, writing conditioners.

A converter of a layer takes its description, a dict, and its part of the state dict, and returns
LayerRecords in the library's own forward order.  A layer that it cannot convert is an error that
names the layer: nothing is skipped or approximated.
"""

import contextlib
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
import numpy.typing as npt

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError, one_line
from flotilla_tools.flow_file import LayerRecord

Described = Mapping[str, Any]
"""A layer, a base density or a whole model as a description has it: JSON."""

Activation = str | list[Any]
"""A word, or a word and its number: "relu", ["elu", 0.5]."""


class ConversionError(InputError):
    """Something that has no counterpart in a flow file."""


@contextlib.contextmanager
def foreign_code(doing: str) -> Iterator[None]:
    """Turns any failure of a library's or a user's code into one sentence: what was being done."""
    try:
        yield
    except InputError:
        raise
    except Exception as problem:  # foreign code fails in any way
        raise ConversionError(f"{doing}: {type(problem).__name__}: {one_line(problem)}") from None


class State:
    """The entries of a state dict below a prefix, as double arrays. Records which were used."""

    def __init__(
        self, entries: Mapping[str, Any], prefix: str = "", taken: set[str] | None = None
    ) -> None:
        self.entries, self.prefix = entries, prefix
        self.taken = set() if taken is None else taken

    def below(self, name: str) -> "State":
        return State(self.entries, f"{self.prefix}{name}.", self.taken)

    def has(self, name: str) -> bool:
        return self.prefix + name in self.entries

    def has_below(self, name: str) -> bool:
        return any(entry.startswith(f"{self.prefix}{name}.") for entry in self.entries)

    def take(self, name: str) -> Array:
        if not self.has(name):
            raise ConversionError(
                f"expected an entry '{self.prefix}{name}' in the state dict, found none: does the "
                "description fit the model?"
            )
        self.taken.add(self.prefix + name)
        return self.entries[self.prefix + name].detach().cpu().double().numpy()

    def take_if(self, name: str) -> Array | None:
        return self.take(name) if self.has(name) else None

    def drop(self, *names: str) -> None:
        """Marks entries as used that the flow does not need."""
        self.taken.update(self.prefix + name for name in names)

    def drop_below(self, name: str) -> None:
        """Marks all entries below a name as used that the flow does not need."""
        start = f"{self.prefix}{name}."
        self.taken.update(entry for entry in self.entries if entry.startswith(start))

    def left(self) -> list[str]:
        return sorted(set(self.entries) - self.taken)


Converter = Callable[[Described, State], list[LayerRecord]]
"""Of a layer: its description and its part of the state dict to records, in the library's order."""

Parts = tuple[int, int, LayerRecord, list[LayerRecord]]
"""dim, context_dim, base density, layers in sampling order."""

Original = Any
"""A live model of a library that need not be installed where this is checked."""


def convert_layers(
    library: str,
    prefix: str,
    converters: Mapping[str, Converter],
    layers: Sequence[Described],
    state: State,
    **context: Any,
) -> list[list[LayerRecord]]:
    """The records of each described layer, in the library's forward order.

    @param prefix   of layer k in the state dict, up to k; a layer may name its own
    @param context  what every converter finds in its layer beside the description
    """
    found = []
    for k, layer in enumerate(layers):
        kind = layer["class"]
        try:
            if kind not in converters:
                raise ConversionError(
                    "flow files have no such layer (converted are: "
                    f"{', '.join(sorted(converters))})"
                )
            below = state.below(layer.get("prefix", f"{prefix}{k}"))
            found.append(converters[kind]({**layer, **context}, below))
        except ConversionError as problem:
            raise ConversionError(f"layer {k} ({library}.{kind}): {problem}") from None
    return found


def no_options(part: Original) -> dict[str, Any]:
    """For a part that its weights describe completely."""
    return {}


def context_dim(layers: Sequence[Described]) -> int:
    """The size of the layers' context: the largest that any of them has."""
    return max((layer.get("context", 0) for layer in layers), default=0)


# --- Records ------------------------------------------------------------------------------------


def flipped(record: LayerRecord) -> LayerRecord:
    """The same layer in the other direction."""
    attributes = dict(record.attributes)
    if attributes.pop("direction", "forward") == "forward":
        attributes["direction"] = "inverse"
    return record._replace(attributes=attributes)


def inverted(records: Sequence[LayerRecord]) -> list[LayerRecord]:
    """A chain of layers in the other direction."""
    return [flipped(record) for record in reversed(records)]


def diagonal_affine(scale: Array, shift: Array) -> LayerRecord:
    return LayerRecord("diagonal_affine", {}, {"scale": scale, "shift": shift})


def permutation(indices: npt.ArrayLike) -> LayerRecord:
    return LayerRecord("permutation", {}, {"indices": np.asarray(indices, dtype=np.int64)})


def lu_linear(lower: Array, upper: Array, bias: Array) -> LayerRecord:
    return LayerRecord("lu_linear", {}, {"lower": lower, "upper": upper, "bias": bias})


def dense_linear(matrix: Array, bias: Array) -> list[LayerRecord]:
    """x = matrix z + bias as P L U, by elimination with partial pivoting."""
    dim = len(matrix)
    upper, lower, rows = matrix.copy(), np.eye(dim), np.arange(dim)
    for k in range(dim):
        pivot = k + int(np.argmax(np.abs(upper[k:, k])))
        if upper[pivot, k] == 0.0:
            raise ConversionError("its matrix is singular")
        upper[[k, pivot]], rows[[k, pivot]] = upper[[pivot, k]], rows[[pivot, k]]
        lower[[k, pivot], :k] = lower[[pivot, k], :k]
        lower[k + 1 :, k] = upper[k + 1 :, k] / upper[k, k]
        upper[k + 1 :] -= np.outer(lower[k + 1 :, k], upper[k])
    return [lu_linear(lower, np.triu(upper), bias[rows]), permutation(np.argsort(rows))]


def spline(bins: float, bound: float, tails: str, **numbers: float) -> dict[str, Any]:
    """Attributes of a spline map; numbers: the smallest width, height and slope, or `slope`."""
    kind = "softclip" if "slope" in numbers else "softmax"
    whole = {"bins": float(bins), "bound": float(bound), "tails": tails, "parameterization": kind}
    return {**whole, **{name: float(value) for name, value in numbers.items()}}


def coupling(kind: str, attributes: Described, kept: npt.ArrayLike, net: "Network") -> LayerRecord:
    """@param kept  one entry per coordinate, true if it passes unchanged"""
    found, arrays = net.entries()
    mask = np.asarray(kept, dtype=np.int8)
    return LayerRecord(f"{kind}_coupling", {**attributes, **found}, {**arrays, "mask": mask})


def autoregressive(kind: str, attributes: Described, dim: int, net: "Network") -> LayerRecord:
    found, arrays = net.entries()
    order = net.order(dim)
    return LayerRecord(
        f"{kind}_autoregressive", {**attributes, **found}, {**arrays, "order": order}
    )


def elementwise(
    kind: str, attributes: Described, moved: npt.ArrayLike, parameters: Array
) -> LayerRecord:
    """A map of some coordinates with constant parameters [coordinate x parameter]: a coupling
    whose conditioner is a bias."""
    moved = np.asarray(moved, dtype=bool)
    net = Network()
    bias = parameters.T.reshape(-1)
    net.linear(np.zeros((len(bias), int((~moved).sum()))), bias)
    return coupling(kind, attributes, ~moved, net)


def by_parameter(
    coordinates: int, parameters: int, order: Sequence[int] | None = None
) -> list[int]:
    """Rows for Network.keep_outputs, for a conditioner that has all parameters of a coordinate
    together.  `order` lists the parameters in the order of the flow file."""
    places = range(parameters) if order is None else order
    return [c * parameters + p for p in places for c in range(coordinates)]


# --- Conditioners -------------------------------------------------------------------------------


ACTIVATIONS = {
    "tanh": "tanh",
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "silu": "silu",
    "elu": "elu",
    "sigmoid": "sigmoid",
    "softplus": "softplus",
    "Tanh": "tanh",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "SiLU": "silu",
    "ELU": "elu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "gelu": "gelu",
    "GELU": "gelu",
}
DEFAULT_NUMBERS = {"leaky_relu": 0.01, "elu": 1.0, "softplus": 1.0}
NUMBERS = {"leaky_relu": "negative_slope", "elu": "alpha", "softplus": "beta"}


def describe_activation(function: Any) -> Activation:
    """An activation function or module in the form of a description: "relu", or ["elu", 0.5]."""
    name = getattr(function, "__name__", type(function).__name__)
    if name not in ACTIVATIONS:
        raise ConversionError(
            f"its activation {name} is none of {', '.join(sorted(set(ACTIVATIONS.values())))}"
        )
    word = ACTIVATIONS[name]
    if getattr(function, "approximate", "none") != "none":
        raise ConversionError("its GELU is an approximation by tanh; flow files have the exact one")
    usual = DEFAULT_NUMBERS.get(word)
    number = getattr(function, NUMBERS.get(word, ""), usual)
    return word if number is None or number == usual else [word, float(number)]


class Network:
    """A conditioner under construction: the words of its program, and their arrays."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.linears: list[list[Array]] = []
        self.norms: list[list[Array]] = []
        self.sines: list[Array] = []
        self.terms: dict[str, Array] = {}
        self.numbers: dict[str, Any] = {}

    def linear(self, weight: Array, bias: Array | None, context_dim: int = 0) -> None:
        """@param context_dim  the number of last inputs that are the context"""
        bias = np.zeros(len(weight)) if bias is None else bias
        inputs = weight.shape[1] - context_dim
        self.words.append("linear")
        self.linears.append([weight[:, :inputs], bias])
        if context_dim > 0:
            self.add_context(weight[:, inputs:], None)

    def add_context(
        self, weight: Array, bias: Array | None, activation: Activation | None = None
    ) -> None:
        """Adds a context term to the output of the last linear map."""
        k = len(self.linears) - 1
        self.terms[f"context_weight_{k}"] = weight
        if bias is not None:
            self.terms[f"context_bias_{k}"] = bias
        if activation is not None:
            self.numbers[f"context_activation_{k}"] = self._activation(activation)

    def gate(self, weight: Array, bias: Array) -> None:
        """Multiplies the output of the last linear map by a sigmoid of the context."""
        k = len(self.linears) - 1
        self.terms[f"gate_weight_{k}"], self.terms[f"gate_bias_{k}"] = weight, bias

    def _number(self, name: str, value: float) -> None:
        if self.numbers.setdefault(name, float(value)) != float(value):
            raise ConversionError(f"its conditioner has more than one {name}")

    def _activation(self, activation: Activation) -> str:
        word, number = activation if isinstance(activation, (list, tuple)) else (activation, None)
        if word not in ACTIVATIONS.values():
            raise ConversionError(f"expected an activation that flow files have, found '{word}'")
        number = DEFAULT_NUMBERS.get(word, 0.0) if number is None else number
        if word == "softplus" and number != 1.0:
            raise ConversionError(f"its softplus has beta = {number:g}; flow files have beta = 1")
        if word in ("leaky_relu", "elu"):
            self._number(NUMBERS[word], number)
        return word

    def activation(self, activation: Activation) -> None:
        self.words.append(self._activation(activation))

    def affine(self, scale: Array, shift: Array) -> None:
        self.words.append("affine")
        self.norms.append([scale, shift])

    def batch_norm(self, state: State, epsilon: float) -> None:
        """Batch normalisation in evaluation mode: a scale and a shift of each unit."""
        rate = 1.0 / np.sqrt(state.take("running_var") + epsilon)
        weight, bias = state.take_if("weight"), state.take_if("bias")
        scale = rate if weight is None else weight * rate
        shift = -state.take("running_mean") * scale
        self.affine(scale, shift if bias is None else shift + bias)
        state.drop("num_batches_tracked")

    def layer_norm(self, units: int, epsilon: float) -> None:
        """Layer normalisation without parameters, with variance 1/(n - 1) sum."""
        share = (units - 1) / units
        self.words.append("layer_norm")
        self._number("epsilon", epsilon * share)
        self.norms.append([np.full(units, share**0.5), np.zeros(units)])

    def torch_layer_norm(self, state: State, epsilon: float) -> None:
        """Layer normalisation of PyTorch, over the units of the last linear map."""
        units = len(self.linears[-1][1])
        scale, shift = state.take_if("weight"), state.take_if("bias")
        self.words.append("layer_norm")
        self._number("epsilon", epsilon)
        self.norms.append([
            np.ones(units) if scale is None else scale, np.zeros(units) if shift is None else shift
        ])

    def sine(self, chosen: Array) -> None:
        """Takes the sine of the chosen units of the last linear map."""
        self.words.append("sine")
        self.sines.append(chosen)

    def open(self) -> None:
        self.words.append("(")

    def close(self) -> None:
        self.words.append(")")

    def keep_inputs(self, columns: Any) -> None:
        self.linears[0][0] = self.linears[0][0][:, columns]

    def keep_outputs(self, rows: Any) -> None:
        """Makes output rows[i] output i."""
        self._on_outputs(lambda array: array[rows], lambda norm: norm[rows])

    def scale_outputs(self, factors: Array) -> None:
        self._on_outputs(lambda array: (array.T * factors).T, None)

    def _on_outputs(
        self, change: Callable[[Array], Array], change_norm: Callable[[Array], Array] | None
    ) -> None:
        last = len(self.linears) - 1
        after = self.words[len(self.words) - self.words[::-1].index("linear") :]
        if change_norm is None and after:
            raise ConversionError("its conditioner does not end with a linear map")
        self.linears[last] = [change(array) for array in self.linears[last]]
        for name in self.terms:
            if name.endswith(f"_{last}") and not (change_norm is None and "gate" in name):
                self.terms[name] = change(self.terms[name])
        first = len(self.norms) - after.count("affine")
        if change_norm is not None:
            norms = self.norms[first:]
            self.norms[first:] = [[change_norm(array) for array in norm] for norm in norms]

    def order(self, dim: int) -> Array:
        """The position of each coordinate in an order in which none depends on a later one."""
        sees = self._dependencies()
        parameters = len(sees) // dim
        sees = sees.reshape(parameters, dim, dim).any(axis=0)
        order, left = np.empty(dim, dtype=np.int64), list(range(dim))
        for place in range(dim):
            free = [i for i in left if not sees[i, left].any()]
            if not free:
                raise ConversionError(
                    "its masks are not autoregressive: coordinates depend in a circle"
                )
            order[free[0]] = place
            left.remove(free[0])
        return order

    def _dependencies(self) -> Array:
        """[output x input]: whether weights connect them."""
        reach, kept = np.eye(self.linears[0][0].shape[1], dtype=bool), None
        linears = iter(self.linears)
        for word in self.words:
            if word == "linear":
                reach = ((next(linears)[0] != 0.0).astype(float) @ reach) > 0.0
            elif word == "(":
                kept = reach
            elif word == ")":
                reach = reach | kept
        return reach

    def entries(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The attributes and arrays of a record."""
        arrays = dict(self.terms)
        for k, (weight, bias) in enumerate(self.linears):
            arrays[f"weight_{k}"], arrays[f"bias_{k}"] = weight, bias
        for k, (scale, shift) in enumerate(self.norms):
            arrays[f"norm_scale_{k}"], arrays[f"norm_shift_{k}"] = scale, shift
        for k, chosen in enumerate(self.sines):
            arrays[f"sine_{k}"] = chosen
        return {"network": " ".join(self.words), **self.numbers}, arrays


def side_by_side(one: Network, other: Network) -> Network:
    """Joins two conditioners of the same inputs and the same program: outputs of the first, then
    outputs of the second."""
    alike = one.words == other.words and one.numbers == other.numbers
    if not alike or set(one.terms) != set(other.terms):
        raise ConversionError(
            f"its two networks should have the same layers but have '{' '.join(one.words)}' and "
            f"'{' '.join(other.words)}'"
        )
    net = Network()
    net.words, net.numbers = one.words, one.numbers
    for k, ((weight, bias), (weight_2, bias_2)) in enumerate(zip(one.linears, other.linears)):
        apart = np.zeros((len(weight) + len(weight_2), weight.shape[1] + weight_2.shape[1]))
        apart[: len(weight), : weight.shape[1]] = weight
        apart[len(weight) :, weight.shape[1] :] = weight_2
        joined = np.concatenate([weight, weight_2]) if k == 0 else apart
        net.linears.append([joined, np.concatenate([bias, bias_2])])
    for norm, norm_2 in zip(one.norms, other.norms):
        net.norms.append([np.concatenate(pair) for pair in zip(norm, norm_2)])
    net.terms = {name: np.concatenate([one.terms[name], other.terms[name]]) for name in one.terms}
    return net


# --- Chains of PyTorch's own modules ------------------------------------------------------------


PASSED = ("Identity", "Dropout", "AlphaDropout")
"""Modules that change nothing in evaluation mode."""


def describe_chain(module: Any, name: str = "") -> list[list[Any]]:
    """The words of a network whose modules run one after another, each with its name in the state
    dict: [["0", "linear"], ["1", "relu"], ...].  Children are taken in the order in which they are
    registered; golden values prove that they run in it."""
    kind = type(module).__name__
    if kind == "Linear":
        return [[name, "linear"]]
    if kind == "BatchNorm1d":
        return [[name, {"batch_norm": float(module.eps)}]]
    if kind == "LayerNorm":
        return [[name, {"torch_layer_norm": float(module.eps)}]]
    if kind in PASSED:
        return []
    if kind in ACTIVATIONS:
        return [[name, describe_activation(module)]]
    children = list(module.named_children())
    if not children or any(True for _ in module.parameters(recurse=False)):
        raise ConversionError(
            f"its network has a {kind}; converted are chains of Linear, BatchNorm1d, LayerNorm, "
            f"Dropout and {', '.join(sorted(set(ACTIVATIONS.values())))}"
        )
    words = []
    for own, child in children:
        words += describe_chain(child, f"{name}.{own}" if name else own)
    return words


class ContextColumns(NamedTuple):
    """Where a network's last inputs stand in the context of the flow."""

    columns: Array
    total: int


def chain(words: Sequence[Any], state: State, context: ContextColumns) -> Network:
    """The conditioner of `describe_chain`; its last inputs are these columns of the context."""
    net, entering = Network(), len(context.columns)
    for name, word in words:
        below = state.below(name) if name else state
        if entering > 0 and word != "linear":
            raise ConversionError("its condition does not enter through a linear map")
        if word == "linear":
            weight = _plain_weight(below)
            inputs = weight.shape[1] - entering
            net.linear(weight[:, :inputs], below.take_if("bias"))
            if entering > 0:
                placed = np.zeros((len(weight), context.total))
                placed[:, context.columns] = weight[:, inputs:]
                net.add_context(placed, None)
            entering = 0
        elif isinstance(word, dict) and "batch_norm" in word:
            net.batch_norm(below, word["batch_norm"])
        elif isinstance(word, dict):
            net.torch_layer_norm(below, word["torch_layer_norm"])
        else:
            net.activation(word)
    if not net.linears:
        raise ConversionError("its network has no linear map")
    return net


def _plain_weight(state: State) -> Array:
    """The weight of a linear map, also where torch.nn.utils.weight_norm keeps it in two parts."""
    for length, direction in (
        ("weight_g", "weight_v"),
        ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ):
        if state.has(length) and state.has(direction):
            rows = state.take(direction)
            return rows * state.take(length) / np.linalg.norm(rows, axis=1, keepdims=True)
    return state.take("weight")


BLOCK_EPSILON = 1e-3
"""Of the batch normalisation within blocks, a constant of nflows and normflows."""


def _linear(net: Network, state: State, context_dim: int = 0) -> None:
    weight = state.take("weight")
    mask = state.take_if("mask")
    state.drop("degrees")
    net.linear(weight if mask is None else weight * mask, state.take_if("bias"), context_dim)


def _count(state: State, name: str) -> int:
    count = 0
    while state.has_below(f"{name}.{count}"):
        count += 1
    return count


def _pre_activated(net: Network, block: State, activation: Activation, k: int) -> None:
    """Normalisation (if there is one), activation and linear map k of a residual block."""
    if block.has_below("batch_norm_layers"):
        net.batch_norm(block.below(f"batch_norm_layers.{k}"), BLOCK_EPSILON)
    net.activation(activation)
    _linear(net, block.below(f"linear_layers.{k}"))


def _sines_and_cosines(net: Network, state: State, chosen: Array, scale: Any) -> None:
    """PeriodicFeaturesCat: sines, then cosines of the chosen inputs, then the others."""
    others = state.take("ind_").astype(int)
    state.drop("scale")
    count, inputs = len(chosen), len(chosen) + len(others)
    weight, phases = np.zeros((2 * count + len(others), inputs)), np.zeros(2 * count + len(others))
    both = np.arange(count)
    weight[both, chosen] = weight[count + both, chosen] = scale
    weight[2 * count + np.arange(len(others)), others] = 1.0
    phases[count : 2 * count] = 0.5 * np.pi
    net.linear(weight, phases)
    net.sine((np.arange(len(phases)) < 2 * count).astype(np.int8))


def _first_linear(net: Network, state: State, context_dim: int, periodic: Any) -> None:
    """The initial layer, after the periodic features of its inputs if there are any.

    w_1 sin(s f) + w_2 cos(s f) is a sine of amplitude |w| at another phase. The amplitude goes into
    the initial layer.

    @param periodic  the scales s of PeriodicFeaturesElementwise, or None; {"both": s} of
                     PeriodicFeaturesCat
    """
    if periodic is None:
        if state.has_below("preprocessing"):
            raise ConversionError("its conditioner preprocesses its inputs (periodic features)")
        _linear(net, state.below("initial_layer"), context_dim)
        return
    features = state.below("preprocessing")
    chosen = features.take("ind").astype(int)
    if isinstance(periodic, dict):
        _sines_and_cosines(net, features, chosen, periodic["both"])
        _linear(net, state.below("initial_layer"), context_dim)
        return
    weights, bias = features.take("weights"), features.take_if("bias")
    features.drop("ind_", "inv_perm", "scale")
    inputs = state.take("initial_layer.weight").shape[1] - context_dim
    rates, phases, marks = np.ones(inputs), np.zeros(inputs), np.zeros(inputs, dtype=np.int8)
    amplitudes, shifts = np.ones(inputs), np.zeros(inputs)
    rates[chosen], marks[chosen] = periodic, 1
    phases[chosen] = np.arctan2(weights[:, 1], weights[:, 0])
    amplitudes[chosen] = np.hypot(weights[:, 0], weights[:, 1])
    shifts[chosen] = 0.0 if bias is None else bias
    net.linear(np.diag(rates), phases)
    net.sine(marks)
    _linear(net, state.below("initial_layer"), context_dim)
    weight, offset = net.linears[-1]
    net.linears[-1] = [weight * amplitudes, offset + weight @ shifts]


def residual_net(
    state: State, activation: Activation, context_dim: int, periodic: Any = None
) -> Network:
    """ResidualNet of nflows and normflows. A context enters through the inputs and by gates."""
    net = Network()
    _first_linear(net, state, context_dim, periodic)
    for k in range(_count(state, "blocks")):
        block = state.below(f"blocks.{k}")
        net.open()
        _pre_activated(net, block, activation, 0)
        _pre_activated(net, block, activation, 1)
        if context_dim > 0:
            context = block.below("context_layer")
            net.gate(context.take("weight"), context.take("bias"))
        net.close()
    _linear(net, state.below("final_layer"))
    return net


class MadeStyle(NamedTuple):
    """The differences of two libraries with the same network."""

    activated: bool
    """Whether the first linear map of feedforward blocks, and what a context adds, are
    activated."""

    block_context: str
    """How a context enters residual blocks: "sum" after their first linear map, "gate" after their
    second."""


NFLOWS_MADE = MadeStyle(True, "sum")
NORMFLOWS_MADE = MadeStyle(False, "gate")


def made(
    state: State,
    activation: Activation,
    context_dim: int,
    style: MadeStyle,
    periodic: Any = None,
) -> Network:
    """MADE of nflows and normflows, with its masks multiplied into the weights."""
    net = Network()
    _first_linear(net, state, 0, periodic)
    if context_dim > 0:
        context = state.below("context_layer")
        through = activation if style.activated else None
        net.add_context(context.take("weight"), context.take("bias"), through)
    blocks = [state.below(f"blocks.{k}") for k in range(_count(state, "blocks"))]
    if style.activated and not (blocks and blocks[0].has_below("linear_layers")):
        net.activation(activation)
    for block in blocks:
        if block.has_below("linear_layers"):
            _masked_residual(net, block, activation, context_dim, style)
            continue
        if block.has_below("batch_norm"):
            net.batch_norm(block.below("batch_norm"), BLOCK_EPSILON)
        block.drop("degrees")
        _linear(net, block.below("linear"))
        net.activation(activation)
    _linear(net, state.below("final_layer"))
    return net


def _masked_residual(
    net: Network, block: State, activation: Activation, context_dim: int, style: MadeStyle
) -> None:
    net.open()
    block.drop("degrees")
    for k, kind in ((0, "sum"), (1, "gate")):
        _pre_activated(net, block, activation, k)
        if context_dim > 0 and style.block_context == kind:
            context = block.below("context_layer")
            weight, bias = context.take("weight"), context.take("bias")
            if kind == "sum":
                net.add_context(weight, bias)
            else:
                net.gate(weight, bias)
    net.close()
