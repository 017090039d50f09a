// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/gaussianization_curve.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/elementary.hpp"
#include "core/error_function.hpp"

// Work: b, then exp(a). With v = exp(a) u + b and k = 1 - 1e-6, dy/du = k exp(y^2 / 2) mean(exp(a -
// v^2 / 2)). So that the mean does not vanish far out, exp(-least^2 / 2) is taken out of its terms
// there.

namespace flotilla {
namespace {

constexpr double kShrink = 1.0 - 1e-6;  // keeps y finite
constexpr double kSqrtTwo = 1.41421356237309504880;
constexpr double kSqrtHalf = 0.70710678118654752440;

/// exp((least^2 - v^2) / 2), least at most |v|
double normal_ratio(double v, double least) {
  const double magnitude = std::abs(v);
  return elementary::exp(0.5 * (least - magnitude) * (least + magnitude));
}

}  // namespace

GaussianizationCurve::GaussianizationCurve(const LayerReader& reader)
    : components_(curve_count(reader, "components", 1, kMostCurveParameters / 2)) {}

void GaussianizationCurve::prepare(const double* theta, double* work) const {
  for (Index k = 0; k < components_; ++k) {
    work[k] = theta[k];
    work[components_ + k] = elementary::exp(theta[components_ + k]);
  }
}

/// The smallest |v| where it is far from zero; else zero.
double GaussianizationCurve::least(double u, const double* work) const {
  constexpr double kFar = 35.0;
  double smallest = std::numeric_limits<double>::infinity();
  for (Index k = 0; k < components_; ++k) {
    smallest = std::min(smallest, std::abs(work[components_ + k] * u + work[k]));
  }
  return smallest > kFar ? smallest : 0.0;
}

CurveValue GaussianizationCurve::at(double u, const double* work, double least) const {
  double mean = 0.0;
  double density = 0.0;
  double density_by_u = 0.0;
  for (Index k = 0; k < components_; ++k) {
    const double scale = work[components_ + k];
    const double v = scale * u + work[k];
    const double term = scale * normal_ratio(v, least);
    mean += elementary::erf(v * kSqrtHalf);
    density += term;
    density_by_u -= term * scale * v;
  }
  const auto count = static_cast<double>(components_);
  const double y = kSqrtTwo * elementary::inverse_erf(kShrink * mean / count);
  const double slope = kShrink * elementary::exp(0.5 * y * y) * density / count;
  return {y, slope, y * slope * elementary::exp(-0.5 * least * least) + density_by_u / density};
}

CurvePoint GaussianizationCurve::record(double u, const double* /*theta*/, const double* work,
                                        double* by_theta, double* log_by_theta) const {
  const double least = this->least(u, work);
  const double rest = 0.5 * least * least;
  const double vanishing = elementary::exp(-rest);
  const CurveValue point = at(u, work, least);
  const double y = point.value;
  const double factor = kShrink * elementary::exp(0.5 * y * y) / static_cast<double>(components_);
  double log_by_u = y * point.slope * vanishing;
  for (Index k = 0; k < components_; ++k) {
    const double scale = work[components_ + k];
    const double v = scale * u + work[k];
    const double term = factor * normal_ratio(v, least);
    const double share = term * scale / point.slope;
    const double by_shift = term * vanishing;
    by_theta[k] = by_shift;
    by_theta[components_ + k] = by_shift * scale * u;
    log_by_theta[k] = y * by_shift - share * v;
    log_by_theta[components_ + k] = y * by_shift * scale * u + share * (1.0 - v * scale * u);
    log_by_u -= share * v * scale;
  }
  return {y, point.slope * vanishing, elementary::log_of_any(point.slope) - rest, log_by_u};
}

double GaussianizationCurve::inverse(double y, const double* work) const {
  return solve_curve([&](double u) { return at(u, work, 0.0); }, CurveSearch(y));
}

}  // namespace flotilla
