// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <string>

#include "flotilla/run/ensemble.hpp"

namespace flotilla::app {

/// Prints on standard output. Failures (a full disk, a closed pipe) are ignored: no run ends
/// because of them.
void show(const std::string& text);

/// Whether this process's standard output appears on a terminal.
///
/// Under Open MPI's mpirun, rank 0 writes to a terminal of its own, from which mpirun copies to its
/// own output. In that case mpirun's output decides.
bool prints_on_terminal();

/// Shows the progress of a run: a live line on a terminal, or a plain line now and then in a log.
class Reporter final : public ProgressObserver {
 public:
  /// @param terminal  whether standard output is a terminal
  explicit Reporter(bool terminal) : terminal_(terminal) {}

  void advanced(const Progress& progress) noexcept override;
  void reported(const ConvergenceReport& report) noexcept override { report_ = report; }

 private:
  using Clock = std::chrono::steady_clock;
  bool due(const Progress& progress);

  bool terminal_;
  Clock::time_point last_{};
  ConvergenceReport report_;
};

/// The table at the end of a run.
std::string summary_table(const RunConfig& config, const RunSummary& summary, int ranks);

}  // namespace flotilla::app
