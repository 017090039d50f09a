// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/linear_spline_curve.hpp"

#include <algorithm>

#include "core/elementary.hpp"

// Work: shares of the heights (bins), knots in y (bins + 1).

namespace flotilla {

LinearSplineCurve::LinearSplineCurve(const LayerReader& reader)
    : heights_(curve_count(reader, "bins", 1, kMostBins), read_interval(reader), 0.0) {}

void LinearSplineCurve::prepare(const double* theta, double* work) const {
  heights_.share_out(theta, work, work + heights_.count());
}

CurvePoint LinearSplineCurve::record(double u, const double* /*theta*/, const double* work,
                                     double* by_theta, double* log_by_theta) const {
  const Index bins = heights_.count();
  std::fill_n(by_theta, bins, 0.0);
  std::fill_n(log_by_theta, bins, 0.0);
  if (!interval().has(u)) return {u, 1.0, 0.0, 0.0};
  const double place = (u - interval().low) / width();
  const Index k = std::min(static_cast<Index>(place), bins - 1);
  const double fraction = place - static_cast<double>(k);
  const double* knots = work + bins;
  const double slope = work[k] * static_cast<double>(bins);
  heights_.to_raw(work, k, 1.0, fraction, by_theta);
  for (Index j = 0; j < bins; ++j) log_by_theta[j] = (j == k ? 1.0 : 0.0) - work[j];
  return {knots[k] + fraction * (knots[k + 1] - knots[k]), slope, elementary::log_of_any(slope),
          0.0};
}

double LinearSplineCurve::inverse(double y, const double* work) const {
  if (!interval().has(y)) return y;
  const double* knots = work + heights_.count();
  const Index k = heights_.bin_of(y, knots);
  const double fraction = (y - knots[k]) / (knots[k + 1] - knots[k]);
  return interval().low + (static_cast<double>(k) + fraction) * width();
}

}  // namespace flotilla
