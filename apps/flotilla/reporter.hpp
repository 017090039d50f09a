// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <string>

#include "flotilla/run/ensemble.hpp"

namespace flotilla::app {

/// Prints on standard output. What cannot be printed, to a full disk or a closed pipe, is lost: no
/// run ends for that.
void show(const std::string& text);

/// Whether what this process prints on standard output appears on a terminal.
///
/// Open MPI's mpirun gives rank 0 a terminal of its own and copies from it to wherever its own
/// output goes: there, that is what counts.
bool prints_on_terminal();

/// Tells people how a run goes: a live line on a terminal, a plain line now and then in a log.
class Reporter final : public ProgressObserver {
 public:
  /// @param terminal  whether standard output is one
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
