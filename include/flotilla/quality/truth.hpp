// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// A moment of a run agrees with the truth within this many standard errors.
inline constexpr double kMostErrors = 4.0;

/// A moment of one quantity of a run beside the true one.
struct MomentScore {
  std::string name;              ///< "mean of x[3]", "sd of theta[0]"
  double value = kUndefined;     ///< of the run; NaN if a draw is not finite
  double error = kUndefined;     ///< its Monte Carlo standard error, by the run's ESS
  double truth = kUndefined;     ///< the true one
  double unsure = 0.0;           ///< the standard error of the true one; 0 if it is exact
  double distance = kUndefined;  ///< |value - truth| in joint standard errors; infinite if it is
                                 ///< not defined

  bool agrees() const { return distance <= kMostErrors; }
};

/// The moments of a run beside known ones; the same on every rank.
struct TruthScores {
  std::vector<MomentScore> moments;  ///< in the order of the file
  double rhat = kUndefined;  ///< the largest of the quantities; above 1.01 the errors are too small
  std::string rhat_of;       ///< the quantity that has it

  /// The moment that is farthest from the truth. @pre there is a moment
  const MomentScore& farthest() const;
  /// The number of moments that do not agree.
  std::size_t apart() const;
  /// Root mean square of the distances: about 1 if errors and truth are right.
  double typical() const;
};

/// Checks that a file of true moments can be read and fits a flow, before a run is made.
/// Collective. @param dim  dimension of the flow
/// @throws InputError, the same on every rank
void expect_truth(const std::string& path, Index dim, const Communicator& comm);

/// Holds means and standard deviations of a run against known ones.
///
/// The truth is a TOML file with a section for each variable of the run's posterior, as `[x]`, and
/// in it `mean`, `sd` and, where these are not exact, `mean_error` and `sd_error`. Each is a number
/// for all coordinates or an array with one for each; nan is not known.
/// The error of a mean is sd / sqrt(its ESS); that of a standard deviation follows from the mean of
/// the squared deviations and their ESS. Ranks share the coordinates. Collective.
/// @throws InputError, Hdf5Error, the same on every rank
TruthScores hold_against_truth(const std::string& run, const std::string& truth,
                               const Communicator& comm);

}  // namespace flotilla
