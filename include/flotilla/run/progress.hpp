// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/run/convergence_report.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// The progress of a run, reported after every block.
struct Progress {
  Phase phase = Phase::kWarmUp;
  Index steps = 0;                      ///< done by each chain in this phase
  Index steps_total = 0;                ///< of each chain in this phase
  double seconds = 0.0;                 ///< since the phase began
  double chain_steps_per_second = 0.0;  ///< of all ranks, since the phase began
  double step_size = 0.0;
  double acceptance_rate = 0.0;  ///< of local moves, in the last window summed over ranks; NaN
                                 ///< before the first
};

/// Observes a run. It is called on rank 0 only and cannot change the draws.
class ProgressObserver {
 public:
  ProgressObserver() = default;
  virtual ~ProgressObserver() = default;
  ProgressObserver(const ProgressObserver&) = delete;
  ProgressObserver& operator=(const ProgressObserver&) = delete;

  /// Called with a sentence on something that was decided, or went wrong. Must not throw:
  /// the other ranks would wait for rank 0 forever. The same holds for the others.
  virtual void noted(const std::string& /*sentence*/) noexcept {}
  /// Called after every block.
  virtual void advanced(const Progress& progress) noexcept = 0;
  /// Called for every report of convergence, before advanced() of the block.
  virtual void reported(const ConvergenceReport& report) noexcept = 0;
};

}  // namespace flotilla
