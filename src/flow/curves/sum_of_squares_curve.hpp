// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/curves/monotone_curve.hpp"

namespace flotilla {

/// The integral of a mean of squared polynomials, on the whole line: y = constant + int_0^u ( slope
/// + 1 / K sum_k p_k(t / bound)^2 ) dt, p_k(s) = 1 + sum_j a_kj s^j, j = 0 .. degree.
///
/// theta is a_00, a_01, ..., a_10, ..., and the constant. The integral is in closed form, the
/// inverse is solved for. Source: Jaini et al. 2019, arXiv:1905.02325.
class SumOfSquaresCurve {
 public:
  static constexpr std::string_view kCoupling = "sum_of_squares_coupling";
  static constexpr std::string_view kAutoregressive = "sum_of_squares_autoregressive";
  static constexpr Direction kInverse = kCurveSolved;

  /// @throws InputError if `polynomials`, `degree`, `bound` or `slope` are missing or out of range
  explicit SumOfSquaresCurve(const LayerReader& reader);

  Index parameters() const { return polynomials_ * (degree_ + 1) + 1; }
  Index work() const { return polynomials_ * (degree_ + 1) + 2 * degree_ + 2; }
  std::vector<std::string> entry_names() const {
    return {"polynomials", "degree", "bound", "slope"};
  }

  void prepare(const double* theta, double* work) const;
  CurvePoint record(double u, const double* theta, const double* work, double* by_theta,
                    double* log_by_theta) const;
  double inverse(double y, const double* work) const;

 private:
  CurveValue at(double u, const double* work) const;

  Index polynomials_;
  Index degree_;
  double bound_;
  double slope_;
};

}  // namespace flotilla
