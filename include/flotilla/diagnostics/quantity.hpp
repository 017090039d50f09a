// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// What is said of the draws of one quantity. NaN wherever a number is not defined: for constant
/// draws, for too few of them, and where any draw is not finite.
struct QuantitySummary {
  double mean = kUndefined;
  double mcse_mean = kUndefined;  ///< Monte Carlo standard error of the mean: sd / sqrt(its ESS)
  double sd = kUndefined;
  double q5 = kUndefined;  ///< quantiles
  double median = kUndefined;
  double q95 = kUndefined;
  double ess_bulk = kUndefined;
  double ess_tail = kUndefined;     ///< the smaller of those of the 5 % and the 95 % quantile
  double rhat = kUndefined;         ///< rank-normalised split R-hat: the larger of bulk and folded
  double nested_rhat = kUndefined;  ///< NaN without superchains
  double non_finite = 0.0;          ///< draws that are not finite
};

/// All of it, exactly, from draws in memory: agrees with R's posterior 1.4.0.
///
/// @param superchains  0 where chains have starts of their own; else see nested_rhat()
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021.
QuantitySummary summarise(const ChainDraws& draws, Index superchains);

}  // namespace flotilla
