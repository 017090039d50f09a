// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/run/convergence_report.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// Where a run stands, told after every block.
struct Progress {
  Phase phase = Phase::kWarmUp;
  Index steps = 0;                      ///< of each chain, done in this phase
  Index steps_total = 0;                ///< of each chain, in this phase
  double seconds = 0.0;                 ///< since the phase began
  double chain_steps_per_second = 0.0;  ///< all ranks, since the phase began
  double step_size = 0.0;
  double acceptance_rate = 0.0;  ///< of local moves, in the last window summed over ranks; or NaN
};

/// Somebody who wants to know how the run goes. Told on rank 0 only; what it does cannot change the
/// draws.
class ProgressObserver {
 public:
  ProgressObserver() = default;
  virtual ~ProgressObserver() = default;
  ProgressObserver(const ProgressObserver&) = delete;
  ProgressObserver& operator=(const ProgressObserver&) = delete;

  /// Told after every block. Must not throw, as the next: rank 0 would leave the others waiting.
  virtual void advanced(const Progress& progress) noexcept = 0;
  /// Told of every report of convergence, before the block's advanced().
  virtual void reported(const ConvergenceReport& report) noexcept = 0;
};

}  // namespace flotilla
