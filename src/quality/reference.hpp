// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla {

/// Draws of q_Z that a reference by importance sampling is made of.
inline constexpr Index kReferenceDraws = Index{1} << 17U;
/// Beyond this many dimensions importance weights say nothing.
inline constexpr Index kReferenceDim = 64;

/// Means and standard deviations of x under a run's target, known without its chains.
struct Reference {
  std::vector<double> mean;  ///< [dim]
  std::vector<double> sd;    ///< [dim]
  double ess = 0.0;          ///< what its own draws are worth

  /// The root mean square over coordinates of the distance of means, in standard deviations.
  double error_of(const std::vector<double>& means) const;
};

/// @throws InputError where importance sampling would say nothing: beyond kReferenceDim
void expect_importance(Index dim);

/// By self-normalised importance sampling from the base density, weights pi / q_Z. The result does
/// not depend on the number of ranks. Collective.
/// @param config  target, resolved or not, seed and tile width count
/// @throws InputError beyond kReferenceDim dimensions
Reference importance_reference(const RunConfig& config, const FlowRecord& record,
                               const Communicator& comm);

/// From the draws of a long run. Collective. @throws InputError as diagnose() does
Reference run_reference(const std::string& run, const Communicator& comm);

}  // namespace flotilla
