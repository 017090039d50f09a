// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// The summary of the draws of one quantity. A figure is NaN if it is not defined: for constant
/// draws, for too few draws, and if any draw is not finite.
struct QuantitySummary {
  double mean = kUndefined;
  double mcse_mean = kUndefined;  ///< Monte Carlo standard error of the mean: sd / sqrt(its ESS)
  double sd = kUndefined;         ///< standard deviation of all draws
  double q5 = kUndefined;         ///< quantiles at 5 %, and at 95 % below
  double median = kUndefined;
  double q95 = kUndefined;
  double ess_bulk = kUndefined;     ///< ESS of the rank-normalised draws
  double ess_tail = kUndefined;     ///< the smaller ESS of the 5 % and the 95 % quantile
  double rhat = kUndefined;         ///< rank-normalised split R-hat: the larger of bulk and folded
  double nested_rhat = kUndefined;  ///< NaN without superchains
  double ess_chain = kUndefined;    ///< of the rank-normalised draws, a single chain: ChainSize
  double non_finite = 0.0;          ///< number of draws that are not finite
};

/// Computes the exact summary of draws in memory. It agrees with R's posterior 1.4.0.
///
/// @param superchains  their number, >= 1; 0 if every chain has its own start; see nested_rhat()
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021.
QuantitySummary summarise(const ChainDraws& draws, Index superchains);

}  // namespace flotilla
