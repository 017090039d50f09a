// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The effective sample size of chains of equal length. Chains are added one by one, each by its
/// mean and autocovariances.
///
/// Lags are summed by Geyer's initial monotone sequence, which seldom needs many lags. Begin with
/// few; repeat with more if result() is empty. Source: Vehtari, Gelman, Simpson, Carpenter &
/// Buerkner 2021, eq. 5 to 11; Geyer 1992.
class EffectiveSize {
 public:
  /// @param draws  of each chain
  /// @param lags   known of each chain, at most `draws`
  EffectiveSize(Index draws, Index lags)
      : draws_(draws), covariance_(static_cast<std::size_t>(lags)) {}

  Index lags() const { return static_cast<Index>(covariance_.size()); }

  /// Adds one chain. @param autocovariance  [lags], from lag 0 on
  void observe(double mean, std::span<const double> autocovariance);

  /// The effective sample size. NaN if chains have fewer than three draws or nothing varies. Empty
  /// if the sequence does not end within the known lags.
  std::optional<double> result() const;

 private:
  double correlation(Index lag, double within, double total) const;

  Index draws_;
  Moments means_;
  std::vector<double> covariance_;  ///< at each lag, summed over chains
};

/// The effective sample size of the mean of all draws. NaN unless the draws vary and are all
/// finite: one bad draw spoils every comparison. @param draws  chains of one length, usually split
double effective_size(const ChainDraws& draws);

}  // namespace flotilla
