// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/coordinates/recorded_map.hpp"
#include "flow/curves/bernstein_curve.hpp"
#include "flow/curves/cubic_spline_curve.hpp"
#include "flow/curves/gaussianization_curve.hpp"
#include "flow/curves/linear_spline_curve.hpp"
#include "flow/curves/monotone_curve.hpp"
#include "flow/curves/quadratic_spline_curve.hpp"
#include "flow/curves/rational_linear_curve.hpp"
#include "flow/curves/sum_of_squares_curve.hpp"

namespace flotilla {

/// A map of coordinates that is a monotone curve, in double whatever the precision of the flow.
template <typename T, MonotoneCurve Curve>
class CurveMap : public RecordedMap<T> {
 public:
  static constexpr std::string_view kCoupling = Curve::kCoupling;
  static constexpr std::string_view kAutoregressive = Curve::kAutoregressive;
  static constexpr Direction kInverse = Curve::kInverse;

  /// @throws InputError if an entry is missing or out of range
  explicit CurveMap(const LayerReader& reader) : CurveMap(reader, Curve(reader)) {}
  CurveMap(const LayerReader& reader, Curve curve);

  std::vector<std::string> entry_names() const { return curve_.entry_names(); }

  void forward(const T* theta, T* record, T* value, double* log_det, Index count) const;
  void inverse(const T* theta, T* record, T* value, double* log_det, Index count) const;

 private:
  template <typename Find>
  void run(const T* theta, T* record, double* log_det, Index count, Find find) const;

  Curve curve_;
};

template <typename T>
using BernsteinMap = CurveMap<T, BernsteinCurve>;
template <typename T>
using CubicSplineMap = CurveMap<T, CubicSplineCurve>;
template <typename T>
using GaussianizationMap = CurveMap<T, GaussianizationCurve>;
template <typename T>
using LinearSplineMap = CurveMap<T, LinearSplineCurve>;
template <typename T>
using QuadraticSplineMap = CurveMap<T, QuadraticSplineCurve>;
template <typename T>
using RationalLinearMap = CurveMap<T, RationalLinearCurve>;
template <typename T>
using SumOfSquaresMap = CurveMap<T, SumOfSquaresCurve>;

}  // namespace flotilla
