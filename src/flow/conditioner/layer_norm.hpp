// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Layer normalisation of a batch's units: y = (unit - mean) rate, rate = 1 / sqrt(variance +
// epsilon). Mean and variance are over the units of a chain.
// Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450.

#include <algorithm>
#include <cmath>

#include "flow/conditioner/packed_network.hpp"

namespace flotilla {

/// rows <- scale y + shift.
///
/// @param standard  y, [units x chains]
/// @param rates     [1 x chains]
/// @param sums      scratch, at least one row
template <typename T>
void normalise(const PackedNorm<T>& norm, T epsilon, Batch<T>& standard, Batch<T>& rates,
               Batch<T>& sums, Batch<T>& rows) {
  T* rate = rates.row(0);
  T* mean = sums.row(0);
  const Index units = standard.dim();
  const T share = T{1} / static_cast<T>(units);
  std::fill_n(mean, rows.stride(), T{0});
  std::fill_n(rate, rows.stride(), T{0});
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) mean[c] += share * value[c];
  }
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      rate[c] += share * (value[c] - mean[c]) * (value[c] - mean[c]);
    }
  }
  for (Index c = 0; c < rows.stride(); ++c) rate[c] = T{1} / std::sqrt(rate[c] + epsilon);
  for (Index i = 0; i < units; ++i) {
    T* value = rows.row(i);
    T* standardised = standard.row(i);
    const T scale = norm.scale[static_cast<std::size_t>(i)];
    const T shift = norm.shift[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) {
      standardised[c] = (value[c] - mean[c]) * rate[c];
      value[c] = scale * standardised[c] + shift;
    }
  }
}

/// rows <- (rows - mean(rows) - y mean(y rows)) rate: the derivative of y. It is symmetric.
///
/// @param standard, rates  as normalise() left them
/// @param sums             scratch, two rows
template <typename T>
void normalise_direction(const Batch<T>& standard, const Batch<T>& rates, Batch<T>& sums,
                         Batch<T>& rows) {
  const T* rate = rates.row(0);
  T* mean = sums.row(0);
  T* overlap = sums.row(1);
  const Index units = standard.dim();
  const T share = T{1} / static_cast<T>(units);
  std::fill_n(mean, rows.stride(), T{0});
  std::fill_n(overlap, rows.stride(), T{0});
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    const T* y = standard.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      mean[c] += share * value[c];
      overlap[c] += share * y[c] * value[c];
    }
  }
  for (Index i = 0; i < units; ++i) {
    T* value = rows.row(i);
    const T* y = standard.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      value[c] = (value[c] - mean[c] - y[c] * overlap[c]) * rate[c];
    }
  }
}

}  // namespace flotilla
