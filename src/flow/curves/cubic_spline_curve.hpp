// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/spline_bins.hpp"

namespace flotilla {

/// A monotone cubic spline on an interval; the identity outside.
///
/// theta is the widths and heights of the bins, through a softmax each, and the slopes at both ends
/// of the interval. The inner slopes follow from the bins beside them. The inverse is solved for
/// within its bin. Source: Durkan et al. 2019, arXiv:1906.02145; Steffen 1990.
class CubicSplineCurve {
 public:
  static constexpr std::string_view kCoupling = "cubic_spline_coupling";
  static constexpr std::string_view kAutoregressive = "cubic_spline_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if a number is missing or out of range
  explicit CubicSplineCurve(const LayerReader& reader);

  Index parameters() const { return 2 * bins() + 2; }
  Index work() const { return 5 * bins() + 3; }
  std::vector<std::string> entry_names() const {
    return {"bins", "bound", "centre", "min_width", "min_height"};
  }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  struct Bin;
  struct Partials;

  CubicSplineCurve(const LayerReader& reader, Index bins, Interval interval);
  Index bins() const { return widths_.count(); }
  Bin bin_at(const double* work, Index k) const;
  void spread(const Partials& partials, Index k, const double* theta, const double* work,
              double* by_theta) const;

  SplineBins widths_;
  SplineBins heights_;
};

}  // namespace flotilla
