// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/sum_of_squares_curve.hpp"

#include "core/elementary.hpp"

// Work: the coefficients of every p_k; then those of their mean square, 2 degree + 1 of them; then
// the constant.

namespace flotilla {
namespace {

constexpr Index kMostDegree = 15;
constexpr Index kMostPolynomials = 15;

/// sum_i c_i s^i
double polynomial(const double* c, Index terms, double s) {
  double value = 0.0;
  for (Index i = terms - 1; i >= 0; --i) value = value * s + c[i];
  return value;
}

/// sum_i i c_i s^(i - 1)
double polynomial_slope(const double* c, Index terms, double s) {
  double value = 0.0;
  for (Index i = terms - 1; i >= 1; --i) value = value * s + static_cast<double>(i) * c[i];
  return value;
}

/// sum_i c_i s^(i + shift) / (i + shift): s^(shift - 1) times the polynomial, integrated from 0
double integral(const double* c, Index terms, double s, Index shift) {
  double value = 0.0;
  for (Index i = terms - 1; i >= 0; --i) value = value * s + c[i] / static_cast<double>(i + shift);
  for (Index i = 0; i < shift; ++i) value *= s;
  return value;
}

}  // namespace

SumOfSquaresCurve::SumOfSquaresCurve(const LayerReader& reader)
    : polynomials_(curve_count(reader, "polynomials", 1, kMostPolynomials)),
      degree_(curve_count(reader, "degree", 0, kMostDegree)),
      bound_(positive_number(reader, "bound", 10.0)),
      slope_(positive_number(reader, "slope", 1e-3)) {}

void SumOfSquaresCurve::prepare(const double* theta, double* work) const {
  const Index terms = degree_ + 1;
  double* mean = work + polynomials_ * terms;
  for (Index m = 0; m <= 2 * degree_; ++m) mean[m] = 0.0;
  for (Index k = 0; k < polynomials_; ++k) {
    double* p = work + k * terms;
    for (Index j = 0; j < terms; ++j) p[j] = theta[k * terms + j] + (j == 0 ? 1.0 : 0.0);
    for (Index i = 0; i < terms; ++i) {
      for (Index j = 0; j < terms; ++j) mean[i + j] += p[i] * p[j];
    }
  }
  for (Index m = 0; m <= 2 * degree_; ++m) mean[m] /= static_cast<double>(polynomials_);
  mean[2 * degree_ + 1] = theta[polynomials_ * terms];
}

CurveValue SumOfSquaresCurve::at(double u, const double* work) const {
  const Index terms = degree_ + 1;
  const double* mean = work + polynomials_ * terms;
  const double s = u / bound_;
  double squares = 0.0;
  for (Index k = 0; k < polynomials_; ++k) {
    const double p = polynomial(work + k * terms, terms, s);
    squares += p * p;
  }
  const double area = bound_ * integral(mean, 2 * degree_ + 1, s, 1);
  return {mean[2 * degree_ + 1] + slope_ * u + area,
          slope_ + squares / static_cast<double>(polynomials_)};
}

CurvePoint SumOfSquaresCurve::record(double u, const double* /*theta*/, const double* work,
                                     double* by_theta, double* log_by_theta) const {
  const Index terms = degree_ + 1;
  const double s = u / bound_;
  const double twice_share = 2.0 / static_cast<double>(polynomials_);
  const CurveValue point = at(u, work);
  double slope_by_s = 0.0;
  for (Index k = 0; k < polynomials_; ++k) {
    const double* p = work + k * terms;
    const double value = polynomial(p, terms, s);
    slope_by_s += twice_share * value * polynomial_slope(p, terms, s);
    double power = 1.0;
    for (Index j = 0; j < terms; ++j) {
      by_theta[k * terms + j] = twice_share * bound_ * integral(p, terms, s, j + 1);
      log_by_theta[k * terms + j] = twice_share * value * power / point.slope;
      power *= s;
    }
  }
  by_theta[polynomials_ * terms] = 1.0;
  log_by_theta[polynomials_ * terms] = 0.0;
  return {point.value, point.slope, elementary::log_of_any(point.slope),
          slope_by_s / bound_ / point.slope};
}

double SumOfSquaresCurve::inverse(double y, const double* work) const {
  return solve_curve([&](double u) { return at(u, work); }, CurveSearch(y));
}

}  // namespace flotilla
