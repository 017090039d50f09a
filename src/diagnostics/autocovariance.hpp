// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Autocovariances of one series at lags 0, 1, ... The denominator is always the length of the
/// series.
///
/// Few lags are summed directly, a register tile of lags at a time. Many lags of a long series go
/// through a Fourier transform. The object owns its buffers: it allocates only for a series longer
/// than all before.
/// length was seen.
template <typename T>
class Autocovariance {
 public:
  /// @param series  [n], n >= 1
  /// @param out     one entry a lag, at most n of them; overwritten
  /// @returns the mean of the series
  double operator()(std::span<const T> series, std::span<double> out);

 private:
  void sum_directly(Index length, std::span<double> out);
  void transform(Index length, std::span<double> out);

  std::vector<T> centred_;  ///< followed by zeros: terms beyond the end add nothing
};

/// The same for a series of flags, 0 and 1. It counts whole numbers, 64 flags at a time.
class FlagAutocovariance {
 public:
  /// @param flags  [n], each 0 or 1
  /// @param out    as in Autocovariance
  /// @returns the mean of the flags
  double operator()(std::span<const std::uint8_t> flags, std::span<double> out);

 private:
  /// How often a flag and the flag `lag` places later are both set.
  std::int64_t both(Index lag) const;

  std::vector<std::uint64_t> words_;  ///< one bit per flag, followed by zeros
  Index used_ = 0;                    ///< number of words that hold flags
};

}  // namespace flotilla
