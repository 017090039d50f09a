// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/monotone_curve.hpp"

namespace flotilla {

/// A normal quantile of a mixture of normal distribution functions: erf(y / sqrt 2) = (1 - 1e-6)
/// mean_k erf((exp(a_k) u + b_k) / sqrt 2).
///
/// theta is b, then a. Its values are between -4.9 and 4.9; the inverse, which is solved for, is
/// NaN beyond. Source: Chen & Gopinath 2000; Meng et al. 2020, arXiv:2003.01941.
class GaussianizationCurve {
 public:
  static constexpr std::string_view kCoupling = "gaussianization_coupling";
  static constexpr std::string_view kAutoregressive = "gaussianization_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if `components` is missing or out of range
  explicit GaussianizationCurve(const LayerReader& reader);

  Index parameters() const { return 2 * components_; }
  Index work() const { return 2 * components_; }
  std::vector<std::string> entry_names() const { return {"components"}; }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  double least(double u, const double* work) const;
  /// @param least  the slope is exp(-least^2 / 2) times the one returned
  CurveValue at(double u, const double* work, double least) const;

  Index components_;
};

}  // namespace flotilla
