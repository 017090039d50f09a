// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Draws up to this many values in all are ranked exactly, in less than 1 GiB of memory; more are
/// read in streams and ranked in classes.
inline constexpr Index kExactValues = Index{1} << 24U;

/// Which draws are looked at.
struct DiagnosisConfig {
  std::string group = "posterior";     ///< or unconstrained_posterior, sample_stats, warmup_...
  std::vector<std::string> variables;  ///< of the group or of its sample_stats; none: all that say
                                       ///< something of convergence
  Index exact_values = kExactValues;
};

/// A coordinate as people write it, "x[3]", or "lp"; and what is said of it.
struct NamedQuantity {
  std::string name;
  QuantitySummary summary;
};

/// What the draws of a run file say of themselves. Numbers that the run has not (yet) are NaN.
struct Diagnosis {
  std::string run;
  std::string group;
  Index chains = 0;
  Index draws = 0;        ///< of each chain that are complete
  Index superchains = 0;  ///< 0 where chains have starts of their own
  bool exact = true;      ///< or ranked in classes: see StreamingQuantity
  std::vector<NamedQuantity> quantities;

  double acceptance_rate = 0.0;  ///< of local moves, as the kept draws' own steps had it
  double global_acceptance_rate = 0.0;
  double diverging = 0.0;  ///< kept draws whose last proposal had a non-finite value
  double mean_squared_jump = 0.0;
  double step_size = 0.0;
  double warmup_seconds = 0.0;
  double sampling_seconds = 0.0;  ///< of the phase that is looked at
  double gradients = 0.0;  ///< gradient evaluations of sampling, by what a step of the kernel costs

  /// Of bulk and tail, over quantities; NaN where one is not defined. @pre there are quantities
  double smallest_ess() const;
};

/// Reads a run file and says whether its chains have met and what their draws are worth.
///
/// Ranks share the coordinates; the result does not depend on how many there are, and is the same
/// on all. Memory is bounded, whatever the size of the file. Collective.
/// @throws InputError, Hdf5Error, the same on every rank
Diagnosis diagnose(const std::string& run, const DiagnosisConfig& config, const Communicator& comm);

}  // namespace flotilla
