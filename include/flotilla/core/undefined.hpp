// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// NaN stands for what is not defined, and spreads.

#include <algorithm>
#include <cmath>
#include <limits>

namespace flotilla {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// NaN where either is.
inline double larger(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kUndefined : std::max(a, b);
}
inline double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kUndefined : std::min(a, b);
}

}  // namespace flotilla
