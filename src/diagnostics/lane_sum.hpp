// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Sums of long series. They vectorise and give the same bits on every processor.

#include <array>
#include <cstddef>
#include <span>

namespace flotilla {

/// Sum of term(value) over a series. Lanes fix the order of adding.
template <typename T, typename Term>
double sum_of(std::span<const T> series, Term term) {
  constexpr std::size_t kLanes = 16;
  std::array<double, kLanes> lanes{};
  const std::size_t whole = series.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += term(series[i + k]);
  }
  double sum = 0.0;
  for (std::size_t i = whole; i < series.size(); ++i) sum += term(series[i]);
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace flotilla
