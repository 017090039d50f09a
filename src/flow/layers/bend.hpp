// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One equation of a planar or Sylvester flow: u + p tanh(q u + s) = t, monotone where p q > -1.

#include <cmath>

#include "core/elementary.hpp"
#include "flotilla/flow/layer.hpp"

namespace flotilla {

/// How solve_bend() finds its unknown: to 4 units in the last place of |u| + 1, in double.
/// Bisection alone would need 53 + log2(bracket) steps; Newton needs five or six.
inline constexpr Direction kBendSolved = {
    .passes = 1, .method = "Newton steps within a bracket", .steps = 80, .tolerance = 0x1p-50};

/// The u with u + p tanh(q u + s) = t. @pre p q > -1
inline double solve_bend(double p, double q, double s, double t) {
  double low = t - std::abs(p);
  double high = t + std::abs(p);
  double u = t;
  for (Index step = 0; step < kBendSolved.steps; ++step) {
    const double value = elementary::tanh(q * u + s);
    const double excess = u + p * value - t;
    (excess > 0.0 ? high : low) = u;
    const double newton = u - excess / (1.0 + p * q * (1.0 - value * value));
    const double next = newton > low && newton < high ? newton : 0.5 * (low + high);
    const bool settled = std::abs(next - u) <= kBendSolved.tolerance * (std::abs(u) + 1.0);
    u = next;
    if (settled) break;
  }
  return u;
}

}  // namespace flotilla
