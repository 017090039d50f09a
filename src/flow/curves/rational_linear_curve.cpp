// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/rational_linear_curve.hpp"

#include <algorithm>

#include "core/elementary.hpp"
#include "flow/curves/dual.hpp"

// Work: shares of the widths, shares of the heights, where the bins are divided (bins each); knots
// in u, knots in y, slopes at the knots (bins + 1 each).

namespace flotilla {
namespace {

// The inputs of the differentiation, all relative to the left end of the bin.
enum Input : std::size_t { kPlace, kWidth, kHeight, kLeftSlope, kRightSlope, kLambda, kInputs };
using Number = Dual<kInputs>;

/// y above the bottom of the bin, and the logarithm of its slope.
struct Fraction {
  Number value;
  Number log_slope;
};

/// The numbers of a bin that is divided at the fraction lambda of its width: the weights of the
/// division and of the right end (1 at the left end), and the height of the division.
template <typename T>
struct Division {
  T weight;
  T right_weight;
  T height;
};

template <typename T>
Division<T> divide(const T& width, const T& height, const T& left_slope, const T& right_slope,
                   const T& lambda) {
  using std::sqrt;
  const T rest = 1.0 - lambda;
  const T right = sqrt(left_slope / right_slope);
  const T weight = (lambda * left_slope + rest * right * right_slope) * width / height;
  return {weight, right, lambda * right * height / (rest + lambda * right)};
}

// In either part y is a mean of the heights at its ends, with weights that are linear in theta =
// place / width.
Fraction fraction_at(const Number& place, const Number& width, const Number& height,
                     const Number& left_slope, const Number& right_slope, const Number& lambda) {
  const Division<Number> at = divide(width, height, left_slope, right_slope, lambda);
  const Number theta = place / width;
  if (theta.value <= lambda.value) {
    const Number below = lambda - theta + at.weight * theta;
    const Number rise = at.weight * lambda * at.height / width;
    return {at.weight * at.height * theta / below, log(rise) - log(below) - log(below)};
  }
  const Number rest = 1.0 - theta;
  const Number beyond = theta - lambda;
  const Number below = at.weight * rest + at.right_weight * beyond;
  const Number above = at.weight * at.height * rest + at.right_weight * height * beyond;
  const Number rise = at.weight * at.right_weight * (1.0 - lambda) * (height - at.height) / width;
  return {above / below, log(rise) - log(below) - log(below)};
}

}  // namespace

struct RationalLinearCurve::Bin {
  double left;
  double width;
  double bottom;
  double height;
  double left_slope;
  double right_slope;
  double lambda;
};

RationalLinearCurve::RationalLinearCurve(const LayerReader& reader)
    : RationalLinearCurve(reader, curve_count(reader, "bins", 1, kMostBins),
                          Interval::around(0.0, positive_number(reader, "bound", 3.0))) {}

RationalLinearCurve::RationalLinearCurve(const LayerReader& reader, Index bins, Interval interval)
    : widths_(bins, interval,
              number_below(reader, "min_width", 1e-3, 1.0 / static_cast<double>(bins))),
      heights_(bins, interval,
               number_below(reader, "min_height", 1e-3, 1.0 / static_cast<double>(bins))),
      min_derivative_(number_below(reader, "min_derivative", 1e-3, 1.0)),
      min_lambda_(number_below(reader, "min_lambda", 0.025, 0.5)),
      tail_slope_(positive_number(reader, "tail_slope", 1.0)) {}

std::vector<std::string> RationalLinearCurve::entry_names() const {
  return {"bins", "bound", "min_width", "min_height", "min_derivative", "min_lambda", "tail_slope"};
}

void RationalLinearCurve::prepare(const double* theta, double* work) const {
  const Index bins = this->bins();
  double* divisions = work + 2 * bins;
  double* knots = work + 3 * bins;
  double* slopes = knots + 2 * (bins + 1);
  widths_.share_out(theta, work, knots);
  heights_.share_out(theta + bins, work + bins, knots + bins + 1);
  const double* raw_slopes = theta + 2 * bins;
  const double* raw_divisions = theta + 3 * bins - 1;
  slopes[0] = slopes[bins] = tail_slope_;
  for (Index k = 1; k < bins; ++k) {
    slopes[k] = min_derivative_ + elementary::softplus(raw_slopes[k - 1]);
  }
  for (Index k = 0; k < bins; ++k) {
    divisions[k] = min_lambda_ + (1.0 - 2.0 * min_lambda_) * elementary::sigmoid(raw_divisions[k]);
  }
}

auto RationalLinearCurve::bin_at(const double* work, Index k) const -> Bin {
  const double* u = work + 3 * bins();
  const double* y = u + bins() + 1;
  const double* slope = y + bins() + 1;
  return {u[k],         u[k + 1] - u[k],     y[k], y[k + 1] - y[k], slope[k],
          slope[k + 1], work[2 * bins() + k]};
}

CurvePoint RationalLinearCurve::record(double u, const double* theta, const double* work,
                                       double* by_theta, double* log_by_theta) const {
  std::fill_n(by_theta, parameters(), 0.0);
  std::fill_n(log_by_theta, parameters(), 0.0);
  if (!widths_.interval().has(u)) return {u, 1.0, 0.0, 0.0};
  const Index bins = this->bins();
  const Index k = widths_.bin_of(u, work + 3 * bins);
  const Bin bin = bin_at(work, k);
  const Fraction found =
      fraction_at(Number::input(u - bin.left, kPlace), Number::input(bin.width, kWidth),
                  Number::input(bin.height, kHeight), Number::input(bin.left_slope, kLeftSlope),
                  Number::input(bin.right_slope, kRightSlope), Number::input(bin.lambda, kLambda));
  const auto spread = [&](const Number& number, double by_bottom, double* by) {
    widths_.to_raw(work, k, -number.by[kPlace], number.by[kWidth], by);
    heights_.to_raw(work + bins, k, by_bottom, number.by[kHeight], by + bins);
    double* by_slope = by + 2 * bins;
    const double* raw_slope = theta + 2 * bins;
    if (k > 0) by_slope[k - 1] = number.by[kLeftSlope] * elementary::sigmoid(raw_slope[k - 1]);
    if (k + 1 < bins) by_slope[k] = number.by[kRightSlope] * elementary::sigmoid(raw_slope[k]);
    const double rising = elementary::sigmoid(theta[3 * bins - 1 + k]);
    by[3 * bins - 1 + k] = number.by[kLambda] * (1.0 - 2.0 * min_lambda_) * rising * (1.0 - rising);
  };
  spread(found.value, 1.0, by_theta);
  spread(found.log_slope, 0.0, log_by_theta);
  return {bin.bottom + found.value.value, found.value.by[kPlace], found.log_slope.value,
          found.log_slope.by[kPlace]};
}

double RationalLinearCurve::inverse(double y, const double* work) const {
  if (!heights_.interval().has(y)) return y;
  const Bin bin = bin_at(work, heights_.bin_of(y, work + 4 * bins() + 1));
  const Division<double> at =
      divide(bin.width, bin.height, bin.left_slope, bin.right_slope, bin.lambda);
  const double rise = y - bin.bottom;
  double theta = 0.0;
  if (rise <= at.height) {
    theta = bin.lambda * rise / (at.weight * (at.height - rise) + rise);
  } else {
    const double left = at.weight * (rise - at.height);
    const double right = at.right_weight * (bin.height - rise);
    theta = (left + bin.lambda * right) / (left + right);
  }
  return bin.left + theta * bin.width;
}

}  // namespace flotilla
