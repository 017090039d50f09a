#pragma once

#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Autocovariances of one series at the lags 0, 1, ..., with the length in every denominator.
///
/// Few lags are summed directly, in registers, thirty-two lags at a time; many lags of a long
/// series go through a Fourier transform. Owns its buffers: a series costs no allocation once one
/// of its length was seen.
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

}  // namespace flotilla
