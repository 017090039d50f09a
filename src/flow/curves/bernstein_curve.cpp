// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/bernstein_curve.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/elementary.hpp"

// Work: the steps between coefficients, degree of them; then the shares of the softmax.
// With s = (u + bound) / (2 bound) and b_i,n the Bernstein polynomials of degree n:
//   y = -bound + sum_j step_j sum_{i > j} b_i,M(s),   dy/ds = M sum_j step_j b_j,M-1(s).

namespace flotilla {
namespace {

constexpr Index kMostParameters = 60;
constexpr std::size_t kMostTerms = static_cast<std::size_t>(kMostParameters) + 5;
using Basis = std::array<double, kMostTerms>;

std::vector<double> binomials(Index n) {
  std::vector<double> values(static_cast<std::size_t>(n) + 1, 1.0);
  for (std::size_t i = 1; i < values.size(); ++i) {
    values[i] = values[i - 1] * static_cast<double>(values.size() - i) / static_cast<double>(i);
  }
  return values;
}

/// The Bernstein polynomials of degree n at s: choose[i] s^i (1 - s)^(n - i).
void bernstein(const std::vector<double>& choose, double s, Basis& basis) {
  const std::size_t n = choose.size() - 1;
  double power = 1.0;
  for (std::size_t i = 0; i <= n; ++i) {
    basis[i] = choose[i] * power;
    power *= s;
  }
  power = 1.0;
  for (std::size_t i = n + 1; i-- > 0;) {
    basis[i] *= power;
    power *= 1.0 - s;
  }
}

/// What the softmax of a derivative by each share is: derivative by each raw parameter.
void through_softmax(const double* share, double stretch, double* derivative, std::size_t count) {
  double mean = 0.0;
  for (std::size_t j = 0; j < count; ++j) mean += share[j] * derivative[j];
  for (std::size_t j = 0; j < count; ++j) {
    derivative[j] = stretch * share[j] * (derivative[j] - mean);
  }
}

}  // namespace

BernsteinCurve::BernsteinCurve(const LayerReader& reader)
    : parameters_(curve_count(reader, "parameters", 1, kMostParameters)),
      bound_(positive_number(reader, "bound", 5.0)),
      binomials_(binomials(degree())),
      lower_binomials_(binomials(degree() - 1)) {}

void BernsteinCurve::prepare(const double* theta, double* work) const {
  const auto count = static_cast<std::size_t>(parameters_);
  double* share = work + degree();
  const double largest = *std::max_element(theta, theta + count);
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) {
    share[j] = elementary::exp(theta[j] - largest);
    sum += share[j];
  }
  const double end = 2.0 * bound_ / static_cast<double>(degree());
  const double stretch = 2.0 * bound_ - 4.0 * end;
  work[0] = work[1] = work[count + 2] = work[count + 3] = end;
  for (std::size_t j = 0; j < count; ++j) {
    share[j] /= sum;
    work[j + 2] = stretch * share[j];
  }
}

CurveValue BernsteinCurve::at(double u, const double* work) const {
  const auto steps = static_cast<std::size_t>(degree());
  const double s = (u + bound_) / (2.0 * bound_);
  Basis basis;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  bernstein(lower_binomials_, s, basis);
  double slope = 0.0;
  for (std::size_t j = 0; j < steps; ++j) slope += work[j] * basis[j];
  bernstein(binomials_, s, basis);
  double above = 0.0;
  double y = -bound_;
  for (std::size_t j = steps; j-- > 0;) {
    above += basis[j + 1];
    y += work[j] * above;
  }
  return {y, static_cast<double>(steps) * slope / (2.0 * bound_)};
}

CurvePoint BernsteinCurve::record(double u, const double* /*theta*/, const double* work,
                                  double* by_theta, double* log_by_theta) const {
  const auto count = static_cast<std::size_t>(parameters_);
  if (!(u > -bound_ && u < bound_)) {
    std::fill_n(by_theta, count, 0.0);
    std::fill_n(log_by_theta, count, 0.0);
    return {u, 1.0, 0.0, 0.0};
  }
  const auto steps = static_cast<std::size_t>(degree());
  const double s = (u + bound_) / (2.0 * bound_);
  const CurveValue point = at(u, work);
  const double scale = static_cast<double>(steps) / (2.0 * bound_);
  Basis basis;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  bernstein(lower_binomials_, s, basis);
  for (std::size_t j = 0; j < count; ++j) log_by_theta[j] = scale * basis[j + 2] / point.slope;
  bernstein(binomials_, s, basis);
  double above = basis[steps] + basis[steps - 1];
  for (std::size_t j = count; j-- > 0;) {
    above += basis[j + 3];
    by_theta[j] = above;
  }
  const double* share = work + degree();
  const double stretch = 2.0 * bound_ * (1.0 - 4.0 / static_cast<double>(steps));
  through_softmax(share, stretch, by_theta, count);
  through_softmax(share, stretch, log_by_theta, count);
  // d^2 y / ds^2 = M (M - 1) sum_j (step_j+1 - step_j) b_j,M-2(s), by b_j,M-1' of the lower basis
  double curvature = 0.0;
  bernstein(lower_binomials_, s, basis);
  for (std::size_t j = 0; j < steps; ++j) {
    const auto place = static_cast<double>(j);
    const double n = static_cast<double>(steps) - 1.0;
    curvature += work[j] * basis[j] * (place / s - (n - place) / (1.0 - s));
  }
  const double log_by_u = curvature * scale / (2.0 * bound_) / point.slope;
  return {point.value, point.slope, elementary::log_of_any(point.slope), log_by_u};
}

double BernsteinCurve::inverse(double y, const double* work) const {
  if (!(y > -bound_ && y < bound_)) return y;
  return solve_curve([&](double u) { return at(u, work); }, CurveSearch(y, -bound_, bound_));
}

}  // namespace flotilla
