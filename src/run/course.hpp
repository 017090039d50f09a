// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "flotilla/sampler/adaptation.hpp"
#include "flotilla/sampler/pool.hpp"
#include "parallel/exchange.hpp"
#include "run/convergence_monitor.hpp"
#include "run/run_state.hpp"
#include "run/stopwatch.hpp"

namespace flotilla {

/// All of a run that changes from block to block. A checkpoint holds it; with the configuration it
/// decides every later draw and report.
template <typename T>
struct Course {
  explicit Course(const Communicator& comm) : exchange(comm) {}

  RunState state;
  Tuning tuning{StepSize(1.0)};          ///< of the sampling phase
  std::optional<Adaptation> adaptation;  ///< of warm-up
  MoveStatistics window;        ///< of the window of warm-up under way, on this rank so far
  StatisticsExchange exchange;  ///< of windows
  Stopwatch clock;              ///< of this phase
  std::string reports;          ///< lines of OUTPUT.jsonl so far, on rank 0
  std::unique_ptr<Pool<T>> pool;
  std::unique_ptr<ConvergenceMonitor<T>> monitor;  ///< null without reports

  /// Writes what ranks share to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(state, tuning, *adaptation, window, exchange, clock, reports);
    if (monitor != nullptr) with(*monitor);
  }
};

/// Where a checkpoint is, and what it belongs to.
struct CheckpointPlace {
  std::string path;
  std::string run_id;  ///< of the run
  Index tiles = 0;     ///< of the whole run
};

/// Writes a checkpoint; what it holds does not depend on who has which tile. Collective.
/// @return bytes of the file
/// @throws EnvironmentError, the same on every rank; then the one before is still there
template <typename T>
double save_course(const Communicator& comm, const CheckpointPlace& place, Course<T>& course);

/// Reads a checkpoint back, on any number of ranks. @pre the course is that of a run which begins
/// @throws InputError, the same on every rank, if the checkpoint is damaged or that of another run.
/// Collective.
template <typename T>
void restore_course(const Communicator& comm, const CheckpointPlace& place, Course<T>& course);

}  // namespace flotilla
