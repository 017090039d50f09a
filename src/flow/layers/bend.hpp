// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One equation of a planar or Sylvester flow: u + p tanh(q u + s) = t, monotone where p q > -1.

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {

/// The u with u + p tanh(q u + s) = t. Newton steps, kept within a bracket, in double, until a step
/// is below 4 units in the last place of |u| + 1. @pre p q > -1
inline double solve_bend(double p, double q, double s, double t) {
  // Bisection alone would need 53 + log2(bracket) steps; Newton needs five or six.
  constexpr int kMostSteps = 80;
  double low = t - std::abs(p);
  double high = t + std::abs(p);
  double u = t;
  for (int step = 0; step < kMostSteps; ++step) {
    const double value = elementary::tanh(q * u + s);
    const double excess = u + p * value - t;
    (excess > 0.0 ? high : low) = u;
    const double newton = u - excess / (1.0 + p * q * (1.0 - value * value));
    const double next = newton > low && newton < high ? newton : 0.5 * (low + high);
    const bool settled = std::abs(next - u) <= 0x1p-50 * (std::abs(u) + 1.0);
    u = next;
    if (settled) break;
  }
  return u;
}

}  // namespace flotilla
