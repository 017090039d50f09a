// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "flotilla/core/undefined.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "flotilla/run/progress.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// The results of a finished run, the same on every rank.
struct RunSummary {
  Index draws = 0;   ///< kept draws of each chain; fewer than requested if the run stopped
                     ///< early
  MoveTotals moves;  ///< sampling phase, all ranks
  ConvergenceReport last_report;       ///< after the last draw; of no draws if there are no reports
  Specification target;                ///< as sampled, with every parameter resolved
  double step_size = 0.0;              ///< of the sampling phase
  double global_fraction = 0.0;        ///< likewise; probability of a global move
  double damping = kUndefined;         ///< likewise; undefined for kernels without memory
  double smallest_scale = kUndefined;  ///< of a latent coordinate; undefined without scales
  double largest_scale = kUndefined;
  double warmup_seconds = 0.0;  ///< wall time of the slowest rank; the same for sampling_seconds
  double sampling_seconds = 0.0;
  double gradients = 0.0;  ///< evaluations of grad log pi in the sampling phase, all chains
  double chain_steps_per_second = 0.0;  ///< all ranks, sampling phase
  double flow_share = 0.0;              ///< share of the sampling time spent moving chains; mean
                                        ///< over ranks
  double exchange_share = 0.0;          ///< share spent waiting for statistics
  std::string stopped_by;     ///< the signal or the limit that stopped the run before its last
                              ///< draw: then figures below draws are not set. Empty: it ended
  bool may_go_on = true;      ///< where it was stopped: whether a checkpoint was written
  bool was_complete = false;  ///< the output held the whole run already: nothing was done
  double checkpoint_megabytes = 0.0;  ///< of the last checkpoint
  double checkpoint_seconds = 0.0;    ///< spent on checkpoints by this process
  double output_share = 0.0;  ///< share spent writing draws and waiting for other ranks to write
};

/// Runs the whole ensemble: broadcast of the flow, start, warm-up, sampling, run file. With
/// config.resume it goes on with the run that the output holds.
///
/// The draws are a function of (flow, configuration, seed) and of nothing else: neither of ranks
/// nor of where a run was stopped. A process in which StopSignals live can be asked to stop.
/// Collective.
/// @param observer  told on rank 0; may be null
/// @throws InputError, EnvironmentError, Hdf5Error, the same on every rank. A failure on one rank
/// alone (MPI, memory during the run), and any failed write to the run file, ends the program on
/// all ranks
RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record, const Communicator& comm,
                        ProgressObserver* observer);

/// Makes a caller's own target, on every rank. The flow outlives the target.
template <typename T>
using TargetMaker = std::function<std::unique_ptr<Target<T>>(const Flow<T>& flow)>;

/// The same for a caller's own density, in float or double.
///
/// config.target describes it in the run file: any name that the registry does not have, and any
/// numbers. config.precision must be that of T, or "auto". Collective.
/// @throws as above; an exception from the target during the run ends the program on all ranks
template <typename T>
RunSummary run_ensemble(const RunConfig& config, const FlowRecord& record,
                        const TargetMaker<T>& own, const Communicator& comm,
                        ProgressObserver* observer);

}  // namespace flotilla
