# SPDX-License-Identifier: BSD-3-Clause
"""Numbers as people read them: 17,930 and 0.0123, not 1.793e+04 and 1.23e-02."""

import math
from typing import Any

import numpy as np

NONE = "–"
"""In place of a figure that is not defined."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LARGEST = 1e15
SMALLEST = 1e-5
"""Beyond these, powers of ten are easier to read."""

MOST_DECIMALS = 7
"""Of a value beside its error; beyond, powers of ten are easier to read."""


def as_float(value: Any) -> float:
    """The number, NaN where there is none."""
    return float(value) if isinstance(value, (int, float, np.number)) else math.nan


def magnitude(value: float, digits: int) -> int:
    """The power of ten of the first digit, after rounding to this many digits."""
    return int(f"{abs(value):.{digits - 1}e}".split("e")[1])


def number(value: Any, digits: int = 4) -> str:
    """A number with this many digits that count, or more before the point; texts as they are."""
    if isinstance(value, str):
        return value
    found = as_float(value)
    if not math.isfinite(found) or found == 0:
        return fixed(found, 0)
    if not SMALLEST <= abs(found) < LARGEST:
        mantissa, power = f"{found:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(power)).translate(SUPERSCRIPTS)}"
    text = fixed(found, max(0, digits - 1 - magnitude(found, digits)))
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Any, decimals: int) -> str:
    """A number with this many decimals."""
    found = as_float(value)
    if math.isnan(found):
        return NONE
    if math.isinf(found):
        return "∞" if found > 0 else "-∞"
    if abs(found) >= LARGEST:
        return number(found)
    text = f"{found:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def whole(value: Any) -> str:
    """A number rounded to a whole one."""
    return fixed(value, 0)


def percent(share: Any, error: Any = None) -> str:
    """A share from 0 to 1 in percent, with its error where it has one."""
    return f"{with_error(100 * as_float(share), 100 * as_float(error))} %"


def decimals_of(error: Any) -> int | None:
    """Decimals that show two digits of a standard error; None where it says nothing."""
    found = as_float(error)
    if not math.isfinite(found) or not 0 < found < LARGEST:
        return None
    return max(0, 1 - magnitude(found, 2))


def with_error(value: Any, error: Any) -> str:
    """A value to the digits that its standard error allows, as in 1.24 ± 0.02."""
    decimals = decimals_of(error)
    if decimals is None:
        return number(value)
    if decimals > MOST_DECIMALS:
        return f"{number(value, 2)} ± {number(error, 2)}"
    return f"{fixed(value, decimals)} ± {fixed(error, decimals)}"
