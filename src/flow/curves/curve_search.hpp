// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <limits>

#include "flotilla/flow/layer.hpp"

namespace flotilla {

/// A point of a curve y = g(u; theta).
struct CurveValue {
  double value = 0.0;
  double slope = 0.0;     ///< dy/du
  double log_by_u = 0.0;  ///< d log slope / du; zero where the curve does not say
};

/// How CurveSearch finds its unknown: to 4 units in the last place of |u| + 1, in double, or as
/// well as the rounding of the curve's values allows.
inline constexpr Direction kCurveSolved = {
    .passes = 1, .method = "Newton steps within a bracket", .steps = 160, .tolerance = 0x1p-50};

/// The search for the u with g(u) = y, g monotone. The caller evaluates the curve, so that many
/// searches can go on at once:
///
///   while (!search.done()) search.take(g at search.u());
///
/// Steps are Halley's, which are Newton's where the second derivative is not known. Points that
/// were tried bracket the root. Where a step would leave the bracket or gains less than half, the
/// next one goes twice as far as the last, at most to the middle.
class CurveSearch {
 public:
  /// One that is done.
  CurveSearch() : CurveSearch(std::numeric_limits<double>::quiet_NaN()) {}
  /// Done at once, at NaN, if y is not finite.
  /// @param low, high  where the root is known to be, if it is known
  explicit CurveSearch(double y, double low = -std::numeric_limits<double>::infinity(),
                       double high = std::numeric_limits<double>::infinity());

  bool done() const { return steps_left_ == 0; }
  /// Where to evaluate the curve next; the root once done. NaN if there is none up to |u| = 2^64,
  /// or a value was NaN.
  double u() const { return u_; }
  /// @param point  the curve at u()
  void take(const CurveValue& point);

 private:
  void finish(double u);

  double y_;
  double low_;
  double high_;
  double u_;
  double last_step_ = std::numeric_limits<double>::infinity();  ///< its magnitude
  Index steps_left_ = kCurveSolved.steps;
};

/// Of a value in T, relative: a few units in the last place. Rounding may take a value this far
/// past the end of a curve that is flat there.
template <typename T>
inline constexpr double kCurveRounding = 4.0 *
                                         static_cast<double>(std::numeric_limits<T>::epsilon());

/// The root of a search on one curve.
template <typename Evaluate>
double solve_curve(Evaluate at, CurveSearch search) {
  while (!search.done()) search.take(at(search.u()));
  return search.u();
}

}  // namespace flotilla
