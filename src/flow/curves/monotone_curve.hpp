// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A point of a curve: y = g(u; theta) and its slope dy/du.
struct CurveValue {
  double value;
  double slope;
};

/// What CurveMap records of a point, beside the derivatives with respect to theta.
struct CurvePoint {
  double value;
  double slope;
  double log_slope;
  double log_by_u;  ///< d log slope / du
};

/// A monotone curve y = g(u; theta) of one coordinate. It is evaluated in double, one column after
/// another, so that a column's bits do not depend on its batch. CurveMap makes a map of it.
///
///   kCoupling, kAutoregressive    the types of its layers in flow files
///   Curve(reader)                 reads its entries; entry_names() are their names
///   parameters()                  numbers of theta, at most kMostCurveParameters
///   work()                        numbers that it keeps of a theta, at most kMostCurveWork
///   prepare(theta, work)          computes what does not depend on u
///   record(u, theta, work, by_theta, log_by_theta)   a point, and the derivatives of y and of
///                                 log slope with respect to each parameter
///   inverse(y, work)              the u with g(u) = y; NaN if there is none
///   kInverse                      how it is found, a Direction
template <typename Curve>
concept MonotoneCurve = std::constructible_from<Curve, const LayerReader&> &&
    requires(const Curve& curve, const double* in, double* out) {
  { Curve::kCoupling } -> std::convertible_to<std::string_view>;
  { Curve::kAutoregressive } -> std::convertible_to<std::string_view>;
  { curve.parameters() } -> std::same_as<Index>;
  { curve.work() } -> std::same_as<Index>;
  { curve.entry_names() } -> std::convertible_to<std::vector<std::string>>;
  { curve.prepare(in, out) } -> std::same_as<void>;
  { curve.record(0.0, in, out, out, out) } -> std::same_as<CurvePoint>;
  { curve.inverse(0.0, out) } -> std::same_as<double>;
  { Curve::kInverse } -> std::convertible_to<Direction>;
};

inline constexpr Index kMostCurveParameters = 256;
inline constexpr Index kMostCurveWork = 4096;

/// How solve_curve() finds its unknown: to 4 units in the last place of |u| + 1, in double.
inline constexpr Direction kCurveSolved = {
    .passes = 1, .method = "Newton steps within a bracket", .steps = 160, .tolerance = 0x1p-50};

/// The u in [low, high] with at(u).value = y, at monotone. Newton steps; a bisection where one
/// would leave the bracket or gains less than one. @pre at(low).value <= y <= at(high).value
template <typename Evaluate>
double solve_curve(Evaluate at, double y, double low, double high) {
  double u = 0.5 * (low + high);
  double last_step = high - low;
  for (Index step = 0; step < kCurveSolved.steps; ++step) {
    const CurveValue point = at(u);
    const double excess = point.value - y;
    (excess > 0.0 ? high : low) = u;
    const double newton = u - excess / point.slope;
    const bool trusted =
        newton > low && newton < high && 2.0 * std::abs(newton - u) < std::abs(last_step);
    const double next = trusted ? newton : 0.5 * (low + high);
    last_step = next - u;
    u = next;
    if (std::abs(last_step) <= kCurveSolved.tolerance * (std::abs(u) + 1.0)) break;
  }
  return u;
}

/// The u with at(u).value = y, at monotone on the whole line: solve_curve() within a bracket that
/// doubles until it holds y. NaN if y is not finite, or beyond the curve at |u| = 2^64.
template <typename Evaluate>
double solve_curve(Evaluate at, double y) {
  constexpr double kWidest = 0x1p64;
  double low = -1.0;
  double high = 1.0;
  while (high < kWidest && at(high).value < y) {
    low = high;
    high *= 2.0;
  }
  while (low > -kWidest && at(low).value > y) {
    high = low;
    low *= 2.0;
  }
  if (!(at(low).value <= y && at(high).value >= y)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return solve_curve(at, y, low, high);
}

/// Reads a whole number from `least` to `most`.
Index curve_count(const LayerReader& reader, const char* name, Index least, Index most);
/// Reads a positive number; `fallback` if the record does not have it.
double positive_number(const LayerReader& reader, const char* name, double fallback);

}  // namespace flotilla
