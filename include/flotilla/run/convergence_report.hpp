// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/undefined.hpp"

namespace flotilla {

/// Whether the chains agree so far. Each figure is the worst over lp and the coordinates of x. It
/// is the same on every rank and on any number of ranks; NaN if it is undefined (yet).
struct ConvergenceReport {
  Index draws = 0;           ///< of each chain
  double rhat = kUndefined;  ///< chains are cut into two or three windows of equal length
  std::string rhat_of;       ///< the quantity with the largest R-hat, as in "x[3]"
  double nested_rhat = kUndefined;
  double ess = kUndefined;  ///< smallest; from the spread of chain means; relative error sqrt(2 /
                            ///< chains)
  std::string ess_of;
  std::vector<double> means;            ///< of x, [dim]
  double acceptance_rate = kUndefined;  ///< of local moves, over all draws so far; likewise for
                                        ///< global moves
  double global_acceptance_rate = kUndefined;
  double mean_squared_jump = kUndefined;  ///< in latent space, per step

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(draws, rhat, rhat_of, nested_rhat, ess, ess_of, means, acceptance_rate,
         global_acceptance_rate, mean_squared_jump);
  }
};

}  // namespace flotilla
