// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/spline_bins.hpp"

namespace flotilla {

/// A quadratic spline on an interval, whose slope is piecewise linear; the identity outside.
///
/// theta is the widths of the bins, through a softmax, and the slopes at the knots, all divided by
/// the area below them: at every knot with free tails, at the inner ones with linear tails, where
/// both ends share a slope near 1. Source: Mueller et al. 2019, arXiv:1808.03856.
class QuadraticSplineCurve {
 public:
  static constexpr std::string_view kCoupling = "quadratic_spline_coupling";
  static constexpr std::string_view kAutoregressive = "quadratic_spline_autoregressive";
  static constexpr Direction kInverse = {};

  /// @throws InputError if a number is missing or out of range
  explicit QuadraticSplineCurve(const LayerReader& reader);

  Index parameters() const { return 2 * bins() + (free_ ? 1 : -1); }
  Index work() const { return 5 * bins() + 5; }
  std::vector<std::string> entry_names() const {
    return {"tails", "bins", "bound", "centre", "min_width", "min_height"};
  }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  struct Parts;
  struct Partials;

  QuadraticSplineCurve(const LayerReader& reader, bool free, Index bins, Interval interval);
  Index bins() const { return widths_.count(); }
  Parts parts(const double* work) const;
  double end_slope(const Parts& at) const;
  void through_end(const Parts& at, double bar, double* by_raw_slope, double* by_width) const;
  void through_area(const Parts& at, const double* by_slope, double* by_raw_slope,
                    double* by_width) const;
  void spread(const Partials& partials, Index k, const double* theta, const double* work,
              double* by_theta) const;

  bool free_;
  SplineBins widths_;
  double min_height_;
};

}  // namespace flotilla
