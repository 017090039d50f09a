// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/finding.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla {

/// The run file to verify, and how much of it to recompute.
struct VerificationConfig {
  std::string run;      ///< the run file
  std::string flow;     ///< flow file; empty: the flow that the run names
  Index points = 4096;  ///< draws, of all chains, that are recomputed
  std::optional<double>
      tolerance;  ///< of these; none: that of golden values in the run's precision

  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The options of a verification as a table. It points into `verification`, which must outlive it.
std::vector<Option> options_of(VerificationConfig& verification);

/// Whether a run file is what a run wrote. The same on every rank.
struct Verification {
  std::string run;
  bool complete = false;  ///< the run made all draws that it was asked for
  Index chains = 0;
  Index draws = 0;  ///< of each chain, complete
  Index room = 0;   ///< draws of each chain that the file has room for
  std::vector<Finding> findings;
};

/// Looks at the structure of a run file, compares all committed draws with their checksums, and
/// recomputes x = f(z), l(z) and log pi at some of them. Ranks share the work. Collective.
///
/// @throws InputError, the same on every rank, if the path is no run file, or a flow that is named
/// cannot be read; EnvironmentError if a density fails
Verification verify_run(const VerificationConfig& config, const Communicator& comm);

}  // namespace flotilla
