// SPDX-License-Identifier: BSD-3-Clause
#include "flow/curves/spline_bins.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/elementary.hpp"

namespace flotilla {

Interval read_interval(const LayerReader& reader) {
  return Interval::around(reader.number_or("centre", 0.0), positive_number(reader, "bound", 1.0));
}

double number_below(const LayerReader& reader, const char* name, double fallback, double limit) {
  const double value = reader.number_or(name, fallback);
  if (!(value >= 0.0 && value < limit)) {
    reader.fail(
        fmt::format("number '{}' should be from 0 to below {} but is {}", name, limit, value));
  }
  return value;
}

void SplineBins::share_out(const double* raw, double* share, double* knots) const {
  const double largest = *std::max_element(raw, raw + count_);
  double sum = 0.0;
  for (Index k = 0; k < count_; ++k) {
    share[k] = elementary::exp(raw[k] - largest);
    sum += share[k];
  }
  const double stretch = 1.0 - static_cast<double>(count_) * smallest_;
  knots[0] = interval_.low;
  for (Index k = 0; k < count_; ++k) {
    share[k] /= sum;
    knots[k + 1] = knots[k] + interval_.length() * (smallest_ + stretch * share[k]);
  }
  knots[count_] = interval_.high;
}

Index SplineBins::bin_of(double value, const double* knots) const {
  Index k = 0;
  while (k + 1 < count_ && value >= knots[k + 1]) ++k;
  return k;
}

void SplineBins::to_raw(const double* share, Index k, double before, double within,
                        double* by_raw) const {
  double mean = share[k] * within;
  for (Index j = 0; j < k; ++j) mean += share[j] * before;
  const double stretch = interval_.length() * (1.0 - static_cast<double>(count_) * smallest_);
  for (Index j = 0; j < count_; ++j) {
    const double by_length = j < k ? before : j == k ? within : 0.0;
    by_raw[j] = stretch * share[j] * (by_length - mean);
  }
}

void SplineBins::to_raw(const double* share, const double* by_length, double* by_raw) const {
  double mean = 0.0;
  for (Index j = 0; j < count_; ++j) mean += share[j] * by_length[j];
  const double stretch = 1.0 - static_cast<double>(count_) * smallest_;
  for (Index j = 0; j < count_; ++j) {
    by_raw[j] = stretch * share[j] * (by_length[j] - mean);
  }
}

}  // namespace flotilla
