// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/undefined.hpp"

namespace flotilla {

/// Whether the chains have met so far, seen while they run; the worst over coordinates of x and lp.
/// The same on every rank, and on any number of them. What is not defined (yet) is NaN.
struct ConvergenceReport {
  Index draws = 0;           ///< of each chain
  double rhat = kUndefined;  ///< of chains cut into two or three windows of equal length
  std::string rhat_of;       ///< the quantity with the largest R-hat, as in "x[3]"
  double nested_rhat = kUndefined;
  double ess = kUndefined;  ///< smallest, by the spread of chain means: right to sqrt(2 / chains)
  std::string ess_of;
  std::vector<double> means;            ///< of x, [dim]
  double acceptance_rate = kUndefined;  ///< of local moves, of all draws so far, as are the next
  double global_acceptance_rate = kUndefined;
  double mean_squared_jump = kUndefined;
};

}  // namespace flotilla
