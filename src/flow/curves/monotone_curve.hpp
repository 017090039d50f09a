// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"
#include "flow/curves/curve_search.hpp"

namespace flotilla {

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

/// @throws InputError if a curve has more parameters or derived numbers than there is room for
void expect_room_for_curve(const LayerReader& reader, Index parameters, Index work);
/// Reads a whole number from `least` to `most`.
Index curve_count(const LayerReader& reader, const char* name, Index least, Index most);
/// Reads a positive number; `fallback` if the record does not have it.
double positive_number(const LayerReader& reader, const char* name, double fallback);

}  // namespace flotilla
