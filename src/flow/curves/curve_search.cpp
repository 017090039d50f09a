// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/curve_search.hpp"

#include <algorithm>
#include <cmath>

namespace flotilla {
namespace {

constexpr double kWidest = 0x1p64;
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kRounding = 0x1p-52;
/// Steps of this size that no longer shrink are the rounding of the curve's values.
constexpr double kNoise = 0x1p-44;

/// A Newton step, or Halley's, which knows how the slope changes.
double step_to_root(double excess, const CurveValue& point) {
  const double newton = -excess / point.slope;
  const double bend = 1.0 + 0.5 * newton * point.log_by_u;
  return std::isfinite(bend) ? newton / std::max(bend, 0.5) : newton;
}

}  // namespace

CurveSearch::CurveSearch(double y, double low, double high)
    : y_(y),
      low_(low),
      high_(high),
      u_(std::isfinite(low) && std::isfinite(high) ? 0.5 * (low + high) : 0.0) {
  if (!std::isfinite(y)) finish(kNotANumber);
}

void CurveSearch::finish(double u) {
  u_ = u;
  steps_left_ = 0;
}

void CurveSearch::take(const CurveValue& point) {
  if (done()) return;
  --steps_left_;
  const double excess = point.value - y_;
  if (std::isnan(excess)) return finish(kNotANumber);
  if (std::abs(excess) <= kRounding * std::abs(y_)) return finish(u_);
  if (std::abs(u_) >= kWidest && (excess > 0.0) == (u_ < 0.0)) return finish(kNotANumber);
  (excess > 0.0 ? high_ : low_) = u_;

  const double step = step_to_root(excess, point);
  const double size = std::abs(u_) + 1.0;
  const bool shrinks = 2.0 * std::abs(step) < last_step_;
  const double enough = (shrinks ? kCurveSolved.tolerance : kNoise) * size;
  if (std::abs(step) <= enough && std::isfinite(point.slope)) return finish(u_ + step);
  const double toward = excess > 0.0 ? low_ : high_;
  const bool fits = u_ + step > low_ && u_ + step < high_;
  double length = std::abs(step);
  if (!shrinks || !fits) {
    const double half = 0.5 * std::abs(toward - u_);
    length = std::min({2.0 * std::max(last_step_, kCurveSolved.tolerance * size), half});
  }
  // On a side without a bracket no step goes far beyond what is known.
  length = std::min({length, 4.0 * size, std::abs(toward - u_), kWidest});
  last_step_ = length;
  const double next = excess > 0.0 ? u_ - length : u_ + length;
  if (length <= kCurveSolved.tolerance * size) return finish(next);
  u_ = std::clamp(next, -kWidest, kWidest);
}

}  // namespace flotilla
