// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// NaN stands for an undefined figure, everywhere.

#include <algorithm>
#include <cmath>
#include <limits>

namespace flotilla {

/// An undefined figure.
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// The larger of two numbers; NaN if either is NaN.
inline double larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kUndefined : std::max(a, b);
}
/// The smaller of two numbers; NaN if either is NaN.
inline double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kUndefined : std::min(a, b);
}

}  // namespace flotilla
