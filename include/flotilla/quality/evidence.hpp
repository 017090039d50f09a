// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/parameter.hpp"
#include "flotilla/diagnostics/bridge.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// The run whose target's normalising constant is sought, and how many draws to spend on it.
struct EvidenceConfig {
  std::string run;         ///< the run file
  std::string flow;        ///< flow file; empty: the flow that the run names
  Index draws = 100000;    ///< fresh draws of q_Z
  std::uint64_t seed = 1;  ///< of these draws, below 2^63

  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The options of an estimate as a table. It points into `evidence`, which must outlive it.
std::vector<Option> options_of(EvidenceConfig& evidence);

/// log Z of a run's target pi: log of the integral of pi(z) dz. That of `explicit` is of the
/// density itself, that of `posterior` the marginal likelihood. The same on every rank.
struct Evidence {
  Specification target;  ///< of the run, with every parameter
  Index run_draws = 0;   ///< of all chains, that the bridge stands on
  Index base_draws = 0;  ///< fresh draws of q_Z
  Index non_finite = 0;  ///< fresh draws at which log pi is not finite: pi counts as zero there
  BridgeEstimate bridge;
  ImportanceEstimate importance;  ///< from the fresh draws alone
};

/// Fewer draws than this, of either set, are no ground for an estimate, nor for its error.
inline constexpr double kFewestBridgeDraws = 50.0;

/// Why an estimate is not to be used, in a sentence; empty if it is.
std::string refusal(const Evidence& evidence);

/// Estimates log Z by bridge sampling between a run's draws and fresh draws of q_Z.
///
/// Of runs with more than 2^22 draws, some of each chain are used. Ranks share the work; the result
/// does not depend on their number. Collective.
/// @throws InputError, the same on every rank, if the run has no z or fewer than six draws of a
/// chain, its flow is another, its target no longer has the log densities that it recorded, or its
/// target is a caller's own
Evidence estimate_evidence(const EvidenceConfig& config, const Communicator& comm);

}  // namespace flotilla
