// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/cubic_spline_curve.hpp"

#include <algorithm>
#include <array>

#include "core/elementary.hpp"

// Work: shares of the widths, shares of the heights (bins each); knots in u, knots in y, slopes at
// the knots (bins + 1 each).

namespace flotilla {
namespace {

constexpr double kSteepestEnd = 3.0;  // times the mean slope of the outermost bin

/// The inner slope of largest size with which the spline stays monotone, from the bins beside it:
/// twice the least of their mean slopes and of half the slope of a parabola through three knots.
struct InnerSlope {
  double left_width;
  double right_width;
  double left_mean;
  double right_mean;

  double parabola() const {
    return (right_width * left_mean + left_width * right_mean) / (left_width + right_width);
  }
  double value() const { return std::min(2.0 * std::min(left_mean, right_mean), parabola()); }
};

}  // namespace

/// A bin, its mean slope, and the slopes at its ends: y = bottom + width p(x), x = place / width,
/// p = left_slope x + square x^2 + cube x^3.
struct CubicSplineCurve::Bin {
  double left;
  double width;
  double bottom;
  double mean;
  double left_slope;
  double right_slope;

  double square() const { return 3.0 * mean - 2.0 * left_slope - right_slope; }
  double cube() const { return left_slope + right_slope - 2.0 * mean; }
  double rise(double x) const { return x * (left_slope + x * (square() + x * cube())); }
  /// dslope / du
  double turn(double x) const { return (2.0 * square() + 6.0 * x * cube()) / width; }
  double slope(double x) const { return left_slope + x * (2.0 * square() + 3.0 * x * cube()); }
};

/// Derivatives with respect to the place in the bin, its width, bottom, mean slope, and the slopes
/// at its ends.
struct CubicSplineCurve::Partials {
  double place;
  double width;
  double bottom;
  double mean;
  double left_slope;
  double right_slope;
};

CubicSplineCurve::CubicSplineCurve(const LayerReader& reader)
    : CubicSplineCurve(reader, curve_count(reader, "bins", 1, kMostBins), read_interval(reader)) {}

CubicSplineCurve::CubicSplineCurve(const LayerReader& reader, Index bins, Interval interval)
    : widths_(bins, interval,
              number_below(reader, "min_width", 1e-3, 1.0 / static_cast<double>(bins))),
      heights_(bins, interval,
               number_below(reader, "min_height", 1e-3, 1.0 / static_cast<double>(bins))) {}

auto CubicSplineCurve::bin_at(const double* work, Index k) const -> Bin {
  const double* u = work + 2 * bins();
  const double* y = u + bins() + 1;
  const double* slope = y + bins() + 1;
  const double width = u[k + 1] - u[k];
  return {u[k], width, y[k], (y[k + 1] - y[k]) / width, slope[k], slope[k + 1]};
}

void CubicSplineCurve::prepare(const double* theta, double* work) const {
  const Index bins = this->bins();
  double* u = work + 2 * bins;
  double* y = u + bins + 1;
  double* slope = y + bins + 1;
  widths_.share_out(theta, work, u);
  heights_.share_out(theta + bins, work + bins, y);
  Bin before = bin_at(work, 0);
  slope[0] = kSteepestEnd * elementary::sigmoid(theta[2 * bins]) * before.mean;
  for (Index k = 1; k < bins; ++k) {
    const Bin after = bin_at(work, k);
    slope[k] = InnerSlope{before.width, after.width, before.mean, after.mean}.value();
    before = after;
  }
  slope[bins] = kSteepestEnd * elementary::sigmoid(theta[2 * bins + 1]) * before.mean;
}

/// From derivatives by the numbers of bin k to derivatives by theta.
void CubicSplineCurve::spread(const Partials& partials, Index k, const double* theta,
                              const double* work, double* by_theta) const {
  const Index bins = this->bins();
  std::array<double, kMostBins> by_width{};
  std::array<double, kMostBins> by_height{};
  std::array<double, kMostBins> by_mean{};
  const auto add = [](std::array<double, kMostBins>& to, Index j, double value) {
    to[static_cast<std::size_t>(j)] += value;
  };
  for (Index j = 0; j < k; ++j) {
    add(by_width, j, -partials.place);
    add(by_height, j, partials.bottom);
  }
  add(by_width, k, partials.width);
  add(by_mean, k, partials.mean);
  const auto through_end = [&](Index parameter, Index bin, double bar) {
    const double rising = elementary::sigmoid(theta[2 * bins + parameter]);
    by_theta[2 * bins + parameter] =
        bar * kSteepestEnd * bin_at(work, bin).mean * rising * (1.0 - rising);
    add(by_mean, bin, bar * kSteepestEnd * rising);
  };
  const auto through_inner = [&](Index knot, double bar) {
    const Bin a = bin_at(work, knot - 1);
    const Bin b = bin_at(work, knot);
    const double parabola = InnerSlope{a.width, b.width, a.mean, b.mean}.parabola();
    if (parabola > 2.0 * std::min(a.mean, b.mean)) {
      add(by_mean, a.mean < b.mean ? knot - 1 : knot, 2.0 * bar);
      return;
    }
    const double both = a.width + b.width;
    add(by_mean, knot - 1, bar * b.width / both);
    add(by_mean, knot, bar * a.width / both);
    add(by_width, knot - 1, bar * (b.mean - parabola) / both);
    add(by_width, knot, bar * (a.mean - parabola) / both);
  };
  k == 0 ? through_end(0, 0, partials.left_slope) : through_inner(k, partials.left_slope);
  k + 1 == bins ? through_end(1, k, partials.right_slope)
                : through_inner(k + 1, partials.right_slope);
  const double length = widths_.interval().length();
  for (Index j = std::max<Index>(k - 1, 0); j <= std::min(k + 1, bins - 1); ++j) {
    const Bin bin = bin_at(work, j);
    const double mean_bar = by_mean[static_cast<std::size_t>(j)] / bin.width;
    add(by_height, j, mean_bar);
    add(by_width, j, -mean_bar * bin.mean);
  }
  for (Index j = 0; j < bins; ++j) {
    by_width[static_cast<std::size_t>(j)] *= length;
    by_height[static_cast<std::size_t>(j)] *= length;
  }
  widths_.to_raw(work, by_width.data(), by_theta);
  heights_.to_raw(work + bins, by_height.data(), by_theta + bins);
}

CurvePoint CubicSplineCurve::record(double u, const double* theta, const double* work,
                                    double* by_theta, double* log_by_theta) const {
  std::fill_n(by_theta, parameters(), 0.0);
  std::fill_n(log_by_theta, parameters(), 0.0);
  if (!widths_.interval().has(u)) return {u, 1.0, 0.0, 0.0};
  const Index k = widths_.bin_of(u, work + 2 * bins());
  const Bin bin = bin_at(work, k);
  const double x = (u - bin.left) / bin.width;
  const double slope = bin.slope(x);
  const double rise = bin.rise(x);
  const double log_by_u = bin.turn(x) / slope;
  const double w = bin.width;
  spread({slope, rise - x * slope, 1.0, w * x * x * (3.0 - 2.0 * x), w * x * (1.0 - x) * (1.0 - x),
          -w * x * x * (1.0 - x)},
         k, theta, work, by_theta);
  spread({log_by_u, -x * log_by_u, 0.0, 6.0 * x * (1.0 - x) / slope,
          (1.0 - x) * (1.0 - 3.0 * x) / slope, x * (3.0 * x - 2.0) / slope},
         k, theta, work, log_by_theta);
  return {bin.bottom + w * rise, slope, elementary::log_of_any(slope), log_by_u};
}

double CubicSplineCurve::inverse(double y, const double* work) const {
  if (!heights_.interval().has(y)) return y;
  const Bin bin = bin_at(work, heights_.bin_of(y, work + 3 * bins() + 1));
  const auto at = [&](double u) {
    const double x = (u - bin.left) / bin.width;
    const double slope = bin.slope(x);
    return CurveValue{bin.bottom + bin.width * bin.rise(x), slope, bin.turn(x) / slope};
  };
  return solve_curve(at, CurveSearch(y, bin.left, bin.left + bin.width));
}

}  // namespace flotilla
