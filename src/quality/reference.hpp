// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla {

/// Number of draws of q_Z for a reference by importance sampling.
inline constexpr Index kReferenceDraws = Index{1} << 17U;
/// Importance weights mean nothing in more dimensions than this.
inline constexpr Index kReferenceDim = 64;

/// Means and standard deviations of x under a run's target, known without the run's chains.
struct Reference {
  std::vector<double> mean;  ///< [dim]
  std::vector<double> sd;    ///< [dim]
  double ess = 0.0;          ///< effective sample size of its own draws

  /// Distance of these means from the reference's, in standard deviations: root mean square over
  /// coordinates.
  double error_of(const std::vector<double>& means) const;
};

/// @throws InputError if importance sampling would mean nothing: in more than kReferenceDim
/// dimensions
void expect_importance(Index dim);

/// A reference by self-normalised importance sampling from the base density, with weights pi / q_Z.
/// It does not depend on the number of ranks. Collective.
/// @param config  its target (resolved or not), seed and tile width are used
/// @throws InputError in more than kReferenceDim dimensions
Reference importance_reference(const RunConfig& config, const FlowRecord& record,
                               const Communicator& comm);

/// A reference from the draws of a long run. Collective. @throws InputError as diagnose() does
Reference run_reference(const std::string& run, const Communicator& comm);

}  // namespace flotilla
