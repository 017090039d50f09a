// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/quadratic_spline_curve.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/elementary.hpp"

// Work: shares of the widths (bins); knots in u, knots in y, slopes at the knots, the same before
// they are divided by the area (bins + 1 each); the area.

namespace flotilla {
namespace {

constexpr double kLeastRawSlope = 1e-3;
constexpr double kEndWeight = 0.25;  // of the outermost bins in the slope that both ends share

}  // namespace

struct QuadraticSplineCurve::Parts {
  const double* share;
  const double* u;
  const double* y;
  const double* slope;
  const double* raw_slope;
  double area;
  double length;

  double width(Index k) const { return u[k + 1] - u[k]; }
  /// In units of the interval's length.
  double fraction(Index k) const { return width(k) / length; }
  double mean_raw_slope(Index k) const { return 0.5 * (raw_slope[k] + raw_slope[k + 1]); }
};

/// Derivatives with respect to the place in the bin, its width, bottom, and the slopes at its ends.
struct QuadraticSplineCurve::Partials {
  double place;
  double width;
  double bottom;
  double left_slope;
  double right_slope;
};

QuadraticSplineCurve::QuadraticSplineCurve(const LayerReader& reader)
    : QuadraticSplineCurve(reader, reader.choice("tails", {"linear", "free"}) == 1,
                           curve_count(reader, "bins", 1, kMostBins), read_interval(reader)) {}

QuadraticSplineCurve::QuadraticSplineCurve(const LayerReader& reader, bool free, Index bins,
                                           Interval interval)
    : free_(free),
      widths_(bins, interval,
              number_below(reader, "min_width", 1e-3, 1.0 / static_cast<double>(bins))),
      min_height_(number_below(reader, "min_height", 1e-3, 1.0)) {
  if (!free && bins < 2) reader.fail("number 'bins' should be at least 2 with linear tails");
}

auto QuadraticSplineCurve::parts(const double* work) const -> Parts {
  const Index knots = bins() + 1;
  const double* u = work + bins();
  return {
      work, u, u + knots, u + 2 * knots, u + 3 * knots, u[4 * knots], widths_.interval().length()};
}

/// The slope of both ends with linear tails, from the raw slopes at the inner knots.
double QuadraticSplineCurve::end_slope(const Parts& at) const {
  const Index last = bins() - 1;
  const double ends = kEndWeight * (at.fraction(0) + at.fraction(last));
  double sum =
      kEndWeight * (at.fraction(0) * at.raw_slope[1] + at.fraction(last) * at.raw_slope[last]);
  for (Index k = 1; k < last; ++k) sum += at.mean_raw_slope(k) * at.fraction(k);
  return sum / (1.0 - ends);
}

void QuadraticSplineCurve::prepare(const double* theta, double* work) const {
  const Index bins = this->bins();
  double* u = work + bins;
  double* y = u + bins + 1;
  double* slope = y + bins + 1;
  double* raw_slope = slope + bins + 1;
  widths_.share_out(theta, work, u);
  const Index first = free_ ? 0 : 1;
  for (Index p = bins; p < parameters(); ++p) {
    raw_slope[first + p - bins] = elementary::softplus(theta[p]) + kLeastRawSlope;
  }
  const Parts at = parts(work);
  if (!free_) raw_slope[0] = raw_slope[bins] = end_slope(at);
  double area = 0.0;
  for (Index k = 0; k < bins; ++k) area += at.mean_raw_slope(k) * at.fraction(k);
  raw_slope[bins + 1] = area;
  for (Index k = 0; k <= bins; ++k) {
    slope[k] = min_height_ + (1.0 - min_height_) * raw_slope[k] / area;
  }
  y[0] = widths_.interval().low;
  for (Index k = 0; k < bins; ++k) y[k + 1] = y[k] + 0.5 * (slope[k] + slope[k + 1]) * at.width(k);
  y[bins] = widths_.interval().high;
}

/// From the derivative by end_slope() to derivatives by raw slopes and widths. Adds.
void QuadraticSplineCurve::through_end(const Parts& at, double bar, double* by_raw_slope,
                                       double* by_width) const {
  const Index last = bins() - 1;
  const double by_sum = bar / (1.0 - kEndWeight * (at.fraction(0) + at.fraction(last)));
  const double by_ends = by_sum * at.raw_slope[0];
  for (const auto& [bin, knot] : {std::pair{Index{0}, Index{1}}, std::pair{last, last}}) {
    by_raw_slope[knot] += kEndWeight * by_sum * at.fraction(bin);
    by_width[bin] += kEndWeight * (by_sum * at.raw_slope[knot] + by_ends);
  }
  for (Index k = 1; k < last; ++k) {
    by_raw_slope[k] += 0.5 * by_sum * at.fraction(k);
    by_raw_slope[k + 1] += 0.5 * by_sum * at.fraction(k);
    by_width[k] += by_sum * at.mean_raw_slope(k);
  }
}

/// From derivatives by the slopes at the knots to derivatives by raw slopes and widths. Adds.
void QuadraticSplineCurve::through_area(const Parts& at, const double* by_slope,
                                        double* by_raw_slope, double* by_width) const {
  const double factor = (1.0 - min_height_) / at.area;
  double by_area = 0.0;
  for (Index k = 0; k <= bins(); ++k) {
    by_raw_slope[k] += factor * by_slope[k];
    by_area -= factor * by_slope[k] * at.raw_slope[k] / at.area;
  }
  for (Index k = 0; k < bins(); ++k) {
    by_raw_slope[k] += 0.5 * by_area * at.fraction(k);
    by_raw_slope[k + 1] += 0.5 * by_area * at.fraction(k);
    by_width[k] += by_area * at.mean_raw_slope(k);
  }
}

/// From derivatives by the numbers of bin k to derivatives by theta.
void QuadraticSplineCurve::spread(const Partials& partials, Index k, const double* theta,
                                  const double* work, double* by_theta) const {
  const Index bins = this->bins();
  const Parts at = parts(work);
  std::array<double, kMostBins> by_width{};  // in units of the interval's length
  std::array<double, kMostBins + 1> by_slope{};
  std::array<double, kMostBins + 1> by_raw_slope{};
  for (Index j = 0; j < k; ++j) {
    const auto place = static_cast<std::size_t>(j);
    by_slope[place] += 0.5 * partials.bottom * at.width(j);
    by_slope[place + 1] += 0.5 * partials.bottom * at.width(j);
    by_width[place] =
        at.length * (0.5 * partials.bottom * (at.slope[j] + at.slope[j + 1]) - partials.place);
  }
  by_width[static_cast<std::size_t>(k)] = at.length * partials.width;
  by_slope[static_cast<std::size_t>(k)] += partials.left_slope;
  by_slope[static_cast<std::size_t>(k) + 1] += partials.right_slope;
  through_area(at, by_slope.data(), by_raw_slope.data(), by_width.data());
  if (!free_) {
    const double both = by_raw_slope[0] + by_raw_slope[static_cast<std::size_t>(bins)];
    through_end(at, both, by_raw_slope.data(), by_width.data());
  }
  widths_.to_raw(at.share, by_width.data(), by_theta);
  const Index first = free_ ? 0 : 1;
  for (Index p = bins; p < parameters(); ++p) {
    const double bar = by_raw_slope[static_cast<std::size_t>(first + p - bins)];
    by_theta[p] = bar * elementary::sigmoid(theta[p]);
  }
}

CurvePoint QuadraticSplineCurve::record(double u, const double* theta, const double* work,
                                        double* by_theta, double* log_by_theta) const {
  std::fill_n(by_theta, parameters(), 0.0);
  std::fill_n(log_by_theta, parameters(), 0.0);
  if (!widths_.interval().has(u)) return {u, 1.0, 0.0, 0.0};
  const Parts at = parts(work);
  const Index k = widths_.bin_of(u, at.u);
  const double place = u - at.u[k];
  const double x = place / at.width(k);
  const double turn = at.slope[k + 1] - at.slope[k];
  const double slope = at.slope[k] + x * turn;
  const double log_by_u = turn / (at.width(k) * slope);
  spread({slope, -0.5 * turn * x * x, 1.0, place * (1.0 - 0.5 * x), 0.5 * place * x}, k, theta,
         work, by_theta);
  spread({log_by_u, -x * log_by_u, 0.0, (1.0 - x) / slope, x / slope}, k, theta, work,
         log_by_theta);
  return {at.y[k] + place * (at.slope[k] + 0.5 * x * turn), slope, elementary::log_of_any(slope),
          log_by_u};
}

// The slope squared is linear in y, so this form of the root does not cancel.
double QuadraticSplineCurve::inverse(double y, const double* work) const {
  if (!widths_.interval().has(y)) return y;
  const Parts at = parts(work);
  const Index k = widths_.bin_of(y, at.y);
  const double rise = y - at.y[k];
  const double turn = at.slope[k + 1] - at.slope[k];
  const double square = at.slope[k] * at.slope[k] + 2.0 * turn * rise / at.width(k);
  return at.u[k] + 2.0 * rise / (at.slope[k] + std::sqrt(std::max(square, 0.0)));
}

}  // namespace flotilla
