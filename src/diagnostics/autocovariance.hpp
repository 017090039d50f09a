// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Autocovariances of one series at the lags 0, 1, ..., with the length in every denominator.
///
/// Few lags are summed directly, a register tile of lags at a time; many lags of a long series go
/// through a Fourier transform. Owns its buffers: a series costs no allocation once one of its
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

  std::vector<T> centred_;  ///< with zeros behind it: what lies beyond the end adds nothing
};

/// The same of a series of truth values, 0 and 1: whole numbers, counted sixty-four at a time.
class FlagAutocovariance {
 public:
  /// @param flags  [n], each 0 or 1; @param out  see Autocovariance
  /// @returns their mean
  double operator()(std::span<const std::uint8_t> flags, std::span<double> out);

 private:
  /// How often a flag and the one `lag` behind it are both set.
  std::int64_t both(Index lag) const;

  std::vector<std::uint64_t> words_;  ///< one bit a flag, with zeros behind them
  Index used_ = 0;                    ///< words that hold flags
};

}  // namespace flotilla
