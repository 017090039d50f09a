// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/gaussianization_curve.hpp"

#include "core/elementary.hpp"
#include "core/error_function.hpp"

// Work: b, then exp(a). With v = exp(a) u + b and k = 1 - 1e-6, dy/du = k exp(y^2 / 2) mean(exp(a -
// v^2 / 2)).

namespace flotilla {
namespace {

constexpr double kShrink = 1.0 - 1e-6;  // keeps y finite
constexpr double kSqrtTwo = 1.41421356237309504880;
constexpr double kSqrtHalf = 0.70710678118654752440;

}  // namespace

GaussianizationCurve::GaussianizationCurve(const LayerReader& reader)
    : components_(curve_count(reader, "components", 1, kMostCurveParameters / 2)) {}

void GaussianizationCurve::prepare(const double* theta, double* work) const {
  for (Index k = 0; k < components_; ++k) {
    work[k] = theta[k];
    work[components_ + k] = elementary::exp(theta[components_ + k]);
  }
}

CurveValue GaussianizationCurve::at(double u, const double* work) const {
  double mean = 0.0;
  double density = 0.0;
  for (Index k = 0; k < components_; ++k) {
    const double scale = work[components_ + k];
    const double v = scale * u + work[k];
    mean += elementary::erf(v * kSqrtHalf);
    density += scale * elementary::exp(-0.5 * v * v);
  }
  const auto count = static_cast<double>(components_);
  const double y = kSqrtTwo * elementary::inverse_erf(kShrink * mean / count);
  return {y, kShrink * elementary::exp(0.5 * y * y) * density / count};
}

CurvePoint GaussianizationCurve::record(double u, const double* /*theta*/, const double* work,
                                        double* by_theta, double* log_by_theta) const {
  const CurveValue point = at(u, work);
  const double y = point.value;
  const double factor = kShrink * elementary::exp(0.5 * y * y) / static_cast<double>(components_);
  double log_by_u = y * point.slope;
  for (Index k = 0; k < components_; ++k) {
    const double scale = work[components_ + k];
    const double v = scale * u + work[k];
    const double by_shift = factor * elementary::exp(-0.5 * v * v);
    const double share = by_shift * scale / point.slope;
    by_theta[k] = by_shift;
    by_theta[components_ + k] = by_shift * scale * u;
    log_by_theta[k] = y * by_shift - share * v;
    log_by_theta[components_ + k] = y * by_shift * scale * u + share * (1.0 - v * scale * u);
    log_by_u -= share * v * scale;
  }
  return {y, point.slope, elementary::log_of_any(point.slope), log_by_u};
}

double GaussianizationCurve::inverse(double y, const double* work) const {
  return solve_curve([&](double u) { return at(u, work); }, y);
}

}  // namespace flotilla
