// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/spline_bins.hpp"

namespace flotilla {

/// A piecewise linear curve on an interval; the identity outside.
///
/// theta is the heights of bins of one width, through a softmax. The log slope jumps at the knots;
/// the acceptance probability accounts for it. Source: Mueller et al. 2019, arXiv:1808.03856.
class LinearSplineCurve {
 public:
  static constexpr std::string_view kCoupling = "linear_spline_coupling";
  static constexpr std::string_view kAutoregressive = "linear_spline_autoregressive";
  static constexpr Direction kInverse = {};

  /// @throws InputError if a number is missing or out of range
  explicit LinearSplineCurve(const LayerReader& reader);

  Index parameters() const { return heights_.count(); }
  Index work() const { return 2 * heights_.count() + 1; }
  std::vector<std::string> entry_names() const { return {"bins", "bound", "centre"}; }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  double width() const { return interval().length() / static_cast<double>(heights_.count()); }
  const Interval& interval() const { return heights_.interval(); }

  SplineBins heights_;
};

}  // namespace flotilla
