// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The effective sample size of chains of equal length, gathered chain by chain from their means
/// and autocovariances.
///
/// Lags are summed by Geyer's initial monotone sequence, which seldom needs many of them: begin
/// with few, and come again with more where result() has nothing to say. Source: Vehtari, Gelman,
/// Simpson, Carpenter & Buerkner 2021, eq. 5 to 11; Geyer 1992.
class EffectiveSize {
 public:
  /// @param draws  of each chain
  /// @param lags   known of each chain, at most `draws`
  EffectiveSize(Index draws, Index lags)
      : draws_(draws), covariance_(static_cast<std::size_t>(lags)) {}

  Index lags() const { return static_cast<Index>(covariance_.size()); }

  /// Adds one chain. @param autocovariance  [lags]
  void observe(double mean, std::span<const double> autocovariance);

  /// The effective sample size; NaN below three draws a chain or where nothing varies; nothing
  /// where the sequence has not ended within the lags known.
  std::optional<double> result() const;

 private:
  double correlation(Index lag, double within, double total) const;

  Index draws_;
  Moments means_;
  std::vector<double> covariance_;  ///< at each lag, summed over chains
};

}  // namespace flotilla
