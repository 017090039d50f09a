// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/monotone_curve.hpp"

namespace flotilla {

/// A Bernstein polynomial on [-bound, bound] whose coefficients ascend; the identity outside, where
/// it goes on with slope 1 and curvature 0.
///
/// theta enters a softmax, which divides among the inner coefficients what the two steps at either
/// end leave. Its degree is the number of parameters and 4. The inverse is solved for. Source: Sick
/// et al. 2020, arXiv:2004.00464; Arpogaus et al. 2022, arXiv:2204.13939.
class BernsteinCurve {
 public:
  static constexpr std::string_view kCoupling = "bernstein_coupling";
  static constexpr std::string_view kAutoregressive = "bernstein_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if `parameters` or `bound` are missing or out of range
  explicit BernsteinCurve(const LayerReader& reader);

  Index parameters() const { return parameters_; }
  Index work() const { return 2 * parameters_ + 4; }
  std::vector<std::string> entry_names() const { return {"parameters", "bound"}; }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  Index degree() const { return parameters_ + 4; }
  CurveValue at(double u, const double* work) const;

  Index parameters_;
  double bound_;
  std::vector<double> binomials_;        ///< of the degree
  std::vector<double> lower_binomials_;  ///< of the degree less one
};

}  // namespace flotilla
