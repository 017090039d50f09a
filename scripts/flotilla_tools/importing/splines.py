# SPDX-License-Identifier: BSD-3-Clause
"""Splines of nflows and normflows as maps of a flow file: linear, quadratic, cubic and
rational-quadratic, on [-bound, bound] with linear tails, or on the unit interval without tails.

Beyond its interval a flow file's spline is the identity; nflows refuses such a point without tails.
"""

from typing import Any, Callable, Mapping, NamedTuple

import numpy as np

from flotilla_tools.arrays import Array
from flotilla_tools.flow_file import LayerRecord
from flotilla_tools.importing import networks
from flotilla_tools.importing.networks import (
    ConversionError,
    Described,
    Network,
    Original,
    State,
)

Size = Callable[[int, bool], int]
"""How many parameters a part has for a number of bins, and whether its ends are free."""


class Spline(NamedTuple):
    """A kind of spline: its map in flow files and the parts of its parameters, in turn."""

    kind: str
    parts: Mapping[str, Size]
    smallest: tuple[str, ...]
    """Which of the smallest width, height and slope it has."""

    ends: bool
    """Whether its record says which tails it has."""

    divided: int
    """How many parts a coupling of nflows divides by the square root of its hidden units."""


def _bins(bins: int, free: bool) -> int:
    return bins


def _knots(bins: int, free: bool) -> int:
    return bins + 1 if free else bins - 1


def _one(bins: int, free: bool) -> int:
    return 1


NUMBERS = {
    "min_width": "min_bin_width",
    "min_height": "min_bin_height",
    "min_derivative": "min_derivative",
}
SPLINES: Mapping[str, Spline] = {
    "Linear": Spline("linear_spline", {"unnormalized_pdf": _bins}, (), False, 0),
    "Quadratic": Spline(
        "quadratic_spline",
        {"unnormalized_widths": _bins, "unnormalized_heights": _knots},
        ("min_width", "min_height"),
        True,
        2,
    ),
    "Cubic": Spline(
        "cubic_spline",
        {
            "unnormalized_widths": _bins,
            "unnormalized_heights": _bins,
            "unnorm_derivatives_left": _one,
            "unnorm_derivatives_right": _one,
        },
        ("min_width", "min_height"),
        False,
        2,
    ),
    "RationalQuadratic": Spline(
        "spline",
        {
            "unnormalized_widths": _bins,
            "unnormalized_heights": _bins,
            "unnormalized_derivatives": _knots,
        },
        ("min_width", "min_height", "min_derivative"),
        True,
        2,
    ),
}
"""By the name in the classes of nflows, as in PiecewiseLinearCDF."""

CLASSES = {
    layer.format(name): spline
    for name, spline in SPLINES.items()
    for layer in (
        "Piecewise{}CouplingTransform",
        "MaskedPiecewise{}AutoregressiveTransform",
        "Piecewise{}CDF",
    )
}


def describe(transform: Original) -> dict[str, Any]:
    """The numbers of a spline's layer that its weights do not tell."""
    spline = CLASSES[type(transform).__name__]
    found: dict[str, Any] = {"tails": getattr(transform, "tails", None)}
    first = getattr(transform, next(iter(spline.parts)), None)
    found["num_bins"] = transform.num_bins if first is None else first.shape[-1]
    if found["tails"] is not None:
        found["tail_bound"] = float(transform.tail_bound)
    names = [NUMBERS[name] for name in spline.smallest]
    return {**found, **{name: float(getattr(transform, name, 1e-3)) for name in names}}


def attributes(spline: Spline, layer: Described) -> dict[str, Any]:
    """The attributes of a map in a flow file."""
    tails = layer.get("tails")
    if tails not in ("linear", "circular", None):
        raise ConversionError(f"its tails are {tails}; converted are linear, circular, None")
    free = tails is None
    found: dict[str, Any] = {"bins": float(layer["num_bins"])}
    found.update(bound=0.5, centre=0.5) if free else found.update(bound=float(layer["tail_bound"]))
    if spline.ends:
        found["tails"] = "free" if free else tails
    if spline.kind == "spline":
        found["parameterization"] = "softmax"
    return {**found, **{name: float(layer.get(NUMBERS[name], 1e-3)) for name in spline.smallest}}


def _sizes(spline: Spline, layer: Described) -> list[int]:
    free, bins = layer.get("tails") is None, int(layer["num_bins"])
    sizes = [size(bins, free) for size in spline.parts.values()]
    if layer.get("tails") == "circular":
        sizes[-1] += 1
    return sizes


def order_rows(
    spline: Spline, layer: Described, net: Network, coordinates: int, hidden: int | None
) -> None:
    """Makes a conditioner's outputs those of the map in a flow file.

    @param hidden  the units by whose square root the first parts are divided
    """
    sizes = _sizes(spline, layer)
    outputs = len(net.linears[-1][1])
    if outputs != sum(sizes) * coordinates:
        raise ConversionError(
            f"its conditioner has {outputs} outputs where {coordinates} splines of "
            f"{layer['num_bins']} bins with tails {layer.get('tails')} have "
            f"{sum(sizes) * coordinates}"
        )
    net.keep_outputs(networks.by_parameter(coordinates, sum(sizes)))
    if hidden is not None:
        factors = np.ones(sum(sizes) * coordinates)
        factors[: sum(sizes[: spline.divided]) * coordinates] = hidden**-0.5
        net.scale_outputs(factors)


def of_constants(
    spline: Spline, layer: Described, moved: Array | None, state: State
) -> LayerRecord:
    """A spline of some coordinates with parameters that are the same everywhere; None: of all."""
    parameters = np.concatenate([state.take(name) for name in spline.parts], axis=1)
    if moved is None:
        moved = np.ones(len(parameters), dtype=bool)
    return networks.elementwise(spline.kind, attributes(spline, layer), moved, parameters)
