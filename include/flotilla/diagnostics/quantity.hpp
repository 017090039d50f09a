#pragma once

#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// What is said of the draws of one quantity. NaN wherever a number is not defined: for constant
/// draws, for too few of them, and where any draw is not finite.
struct QuantitySummary {
  double mean = 0.0;
  double mcse_mean = 0.0;  ///< Monte Carlo standard error of the mean: sd / sqrt(its ESS)
  double sd = 0.0;
  double q5 = 0.0;  ///< quantiles
  double median = 0.0;
  double q95 = 0.0;
  double ess_bulk = 0.0;
  double ess_tail = 0.0;     ///< the smaller of those of the 5 % and the 95 % quantile
  double rhat = 0.0;         ///< rank-normalised split R-hat: the larger of bulk and folded
  double nested_rhat = 0.0;  ///< NaN without superchains
  double non_finite = 0.0;   ///< draws that are not finite
};

/// All of it, exactly, from draws in memory: agrees with R's posterior 1.4.0.
///
/// @param superchains  0 where chains have starts of their own; else see nested_rhat()
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021.
QuantitySummary summarise(const ChainDraws& draws, Index superchains);

}  // namespace flotilla
