// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>

#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/progress.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// What a finished run has to say, the same on every rank.
struct RunSummary {
  Index draws = 0;       ///< kept of each chain: fewer than asked for where the run stopped early
  MoveTotals moves;      ///< of the sampling phase, all ranks
  Specification target;  ///< resolved: that of the very target that was sampled
  double step_size = 0.0;
  double warmup_seconds = 0.0;  ///< wall time of the slowest rank, as is the next
  double sampling_seconds = 0.0;
  double chain_steps_per_second = 0.0;  ///< all ranks, sampling phase
  double flow_share = 0.0;              ///< of sampling time, mean over ranks: steps of the chains
  double exchange_share = 0.0;          ///< waiting for statistics
  double output_share = 0.0;  ///< writing draws, waiting for the other ranks to write theirs
};

/// Runs the whole ensemble: replicated flow, start, warm-up, sampling, run file.
///
/// The draws are a function of (flow, configuration, seed) and of nothing else.
/// Collective. @param observer  told on rank 0; may be null
/// @throws InputError, EnvironmentError, Hdf5Error, the same on every rank; what fails on one rank
/// alone
///         (MPI, memory in mid-run) ends the program on all
RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record, const Communicator& comm,
                        ProgressObserver* observer);

/// Makes a target of the program's own, on every rank. The flow outlives it.
template <typename T>
using TargetMaker = std::function<std::unique_ptr<Target<T>>(const Flow<T>& flow)>;

/// The same for a density of the program's own, of float or double.
///
/// config.target is what the run file says of it: a name that no row of the registry has, and what
/// numbers one likes. config.precision is that of T. Collective.
/// @throws as above; what the target itself throws in mid-run ends the program on all ranks
template <typename T>
RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record,
                        const TargetMaker<T>& own, const Communicator& comm,
                        ProgressObserver* observer);

}  // namespace flotilla
