#pragma once

#include <limits>

#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla {

/// What is said of the draws of one quantity. NaN wherever a number is not defined: for constant
/// draws, for too few of them, and where any draw is not finite.
struct QuantitySummary {
  double mean = kUnknown;
  double mcse_mean = kUnknown;  ///< Monte Carlo standard error of the mean: sd / sqrt(its ESS)
  double sd = kUnknown;
  double q5 = kUnknown;  ///< quantiles
  double median = kUnknown;
  double q95 = kUnknown;
  double ess_bulk = kUnknown;
  double ess_tail = kUnknown;     ///< the smaller of those of the 5 % and the 95 % quantile
  double rhat = kUnknown;         ///< rank-normalised split R-hat: the larger of bulk and folded
  double nested_rhat = kUnknown;  ///< NaN without superchains
  double non_finite = 0.0;        ///< draws that are not finite

  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
};

/// All of it, exactly, from draws in memory: agrees with R's posterior 1.4.0.
///
/// @param superchains  0 where chains have starts of their own; else see nested_rhat()
/// Source: Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021.
QuantitySummary summarise(const ChainDraws& draws, Index superchains);

}  // namespace flotilla
