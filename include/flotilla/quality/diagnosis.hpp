// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Up to this many values, draws are ranked exactly, in less than 1 GiB of memory. More values are
/// read in streams and ranked in classes.
inline constexpr Index kExactValues = Index{1} << 24U;

/// Which draws to look at.
struct DiagnosisConfig {
  std::string group = "posterior";     ///< or unconstrained_posterior, sample_stats, warmup_...
  std::vector<std::string> variables;  ///< of the group or of its sample_stats; empty: all that
                                       ///< say something about convergence
  Index exact_values = kExactValues;
};

/// A coordinate by its name, "x[3]" or "lp", and its summary.
struct NamedQuantity {
  std::string name;
  QuantitySummary summary;
  bool on_circle = false;  ///< then the summary is one of on_circle()
};

/// Settings of a run that decide how well its chains mix. A number that the file does not have is
/// NaN.
struct RunSettings {
  std::string kernel;
  std::string target;
  std::string precision;
  double warmup = kUndefined;           ///< steps
  double thin = kUndefined;             ///< steps per kept draw
  double adapt = kUndefined;            ///< 1 if warm-up adapted, else 0
  double target_accept = kUndefined;    ///< acceptance rate that warm-up aimed at
  double global_fraction = kUndefined;  ///< share of global moves in the sampling phase
};

/// What the draws of a run file say. A number that the run does not have (yet) is NaN.
struct Diagnosis {
  std::string run;
  std::string group;
  Index chains = 0;
  Index draws = 0;        ///< complete draws of each chain
  Index superchains = 0;  ///< 0 if every chain has its own start
  bool exact = true;      ///< else ranked in classes: see StreamingQuantity
  std::vector<NamedQuantity> quantities;
  RunSettings settings;

  double acceptance_rate = 0.0;  ///< of local moves, from the steps of the kept draws
  double global_acceptance_rate = 0.0;
  double diverging = 0.0;       ///< kept draws whose last proposal had a non-finite value
  double unmoved_chains = 0.0;  ///< chains whose kept draws are all the same point
  double repeats = 0.0;         ///< share of kept draws that are the same point as the one before
  double rising_chains = 0.0;   ///< share of chains whose lp is larger in the second half
  double highest_lp = 0.0;      ///< of all kept draws
  double mean_squared_jump = 0.0;  ///< in latent space, per step
  double step_size = 0.0;
  double warmup_seconds = 0.0;
  double sampling_seconds = 0.0;  ///< duration of the phase that is looked at
  double gradients = 0.0;  ///< gradient evaluations of the sampling phase, from the kernel's cost
                           ///< per step

  /// Whether all chains have one value of a quantity in every draw, while they move. It then has no
  /// R-hat and no ESS, and needs none.
  bool is_constant(const QuantitySummary& summary) const;

  /// The smallest bulk or tail ESS of any quantity that is not constant; NaN if one is undefined.
  double smallest_ess() const;
};

/// Reads a run file and computes whether its chains agree and how many independent draws they are
/// worth.
///
/// Ranks share the coordinates. The result is the same on every rank and on any number of ranks.
/// Memory is bounded, whatever the size of the file. Collective.
/// @throws InputError, Hdf5Error, the same on every rank
Diagnosis diagnose(const std::string& run, const DiagnosisConfig& config, const Communicator& comm);

}  // namespace flotilla
