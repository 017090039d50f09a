// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/core/undefined.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "flotilla/sampler/pool.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/sampler/tuning.hpp"
#include "io/run_file.hpp"

namespace flotilla {

/// How far a run is between two blocks, and what it has learnt: the same on every rank.
struct RunState {
  Phase phase = Phase::kWarmUp;
  Index steps = 0;                        ///< made in this phase
  std::vector<AdaptationWindow> windows;  ///< of warm-up
  std::uint64_t learnt = 0;               ///< windows whose sums have arrived
  Index drawn = 0;                        ///< draws of each chain in the sampling phase
  MoveTotals moves;                       ///< of the sampling phase, as far as sums have arrived
  double acceptance_rate = kUndefined;    ///< of local moves, in the last window that arrived
  ConvergenceReport last_report;
  bool suffices = false;  ///< the last report meets the thresholds: no more draws are needed
  double warmup_seconds = 0.0;

  /// Writes it to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(phase, steps, windows, learnt, drawn, moves, acceptance_rate, last_report, suffices,
         warmup_seconds);
  }
};

}  // namespace flotilla
