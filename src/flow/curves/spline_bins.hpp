// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flow/curves/monotone_curve.hpp"

namespace flotilla {

/// Where a spline curve bends; it is the identity outside.
struct Interval {
  double low;
  double high;

  static Interval around(double centre, double bound) { return {centre - bound, centre + bound}; }
  double length() const { return high - low; }
  /// False for NaN.
  bool has(double value) const { return value >= low && value <= high; }
};

inline constexpr Index kMostBins = 64;

/// Reads the numbers `bound` (1) and `centre` (0).
Interval read_interval(const LayerReader& reader);
/// Reads a number from 0 to below `limit`; `fallback` if the record does not have it.
double number_below(const LayerReader& reader, const char* name, double fallback, double limit);

/// An interval cut into bins whose lengths are a softmax: what spline curves have in common.
///
/// A bin has the length `smallest` of the interval's, and its share of the rest.
class SplineBins {
 public:
  SplineBins(Index count, Interval interval, double smallest)
      : count_(count), interval_(interval), smallest_(smallest) {}

  Index count() const { return count_; }
  const Interval& interval() const { return interval_; }

  /// The softmax of raw [count], and the ends of the bins [count + 1].
  void share_out(const double* raw, double* share, double* knots) const;
  /// The bin of a value of the interval.
  Index bin_of(double value, const double* knots) const;
  /// Derivatives by raw, from those by the length of each bin before bin k and of bin k.
  void to_raw(const double* share, Index k, double before, double within, double* by_raw) const;
  /// The same from derivatives by the length of every bin, in units of the interval's [count].
  void to_raw(const double* share, const double* by_length, double* by_raw) const;

 private:
  Index count_;
  Interval interval_;
  double smallest_;
};

}  // namespace flotilla
