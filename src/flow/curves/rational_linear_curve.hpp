// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/spline_bins.hpp"

namespace flotilla {

/// A monotone rational-linear spline on an interval; the identity outside.
///
/// Each bin is divided in two, each of them a quotient of linear functions; the slopes at its ends
/// are given. theta is the widths and heights of the bins, through a softmax each, the inner
/// slopes, and where each bin is divided. The inverse is in closed form. Source: Dolatabadi et al.
/// 2020, arXiv:2001.05168.
class RationalLinearCurve {
 public:
  static constexpr std::string_view kCoupling = "rational_linear_coupling";
  static constexpr std::string_view kAutoregressive = "rational_linear_autoregressive";
  static constexpr Direction kInverse = {};

  /// @throws InputError if a number is missing or out of range
  explicit RationalLinearCurve(const LayerReader& reader);

  Index parameters() const { return 4 * bins() - 1; }
  Index work() const { return 6 * bins() + 3; }
  std::vector<std::string> entry_names() const;

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  struct Bin;
  RationalLinearCurve(const LayerReader& reader, Index bins, Interval interval);
  Index bins() const { return widths_.count(); }
  Bin bin_at(const double* work, Index k) const;

  SplineBins widths_;
  SplineBins heights_;
  double min_derivative_;
  double min_lambda_;
  double tail_slope_;
};

}  // namespace flotilla
