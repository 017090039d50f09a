// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "flotilla/run/ensemble.hpp"

namespace flotilla::app {

/// Prints a line on the way on standard output.
/// @return false if it could not be written, which nothing depends on; errno says why
bool tell(const std::string& text);

/// Prints a result on standard output. A reader who has left, as `head` does, is no failure.
/// @throws EnvironmentError if it cannot be written: the disk is full. On rank 0 alone: let nothing
/// collective follow
void show(const std::string& text);

/// Number of columns of the terminal on which this process's standard output appears; empty if it
/// does not appear on one, or on one that cannot rewrite a line (TERM is "dumb" or not set).
///
/// Under Open MPI's mpirun, rank 0 writes to a terminal of its own, from which mpirun copies to its
/// own output. In that case mpirun's output decides.
std::optional<std::size_t> terminal_columns();

/// Shows the progress of a run: a live line on a terminal, or a plain line now and then in a log.
/// A line that cannot be written is left out: no run ends because of it.
class Reporter final : public ProgressObserver {
 public:
  /// @param columns  of the terminal; empty: standard output is a log
  explicit Reporter(std::optional<std::size_t> columns) : columns_(columns) {}

  void noted(const std::string& sentence) noexcept override;
  void advanced(const Progress& progress) noexcept override;
  void reported(const ConvergenceReport& report) noexcept override { report_ = report; }

 private:
  using Clock = std::chrono::steady_clock;
  bool due(const Progress& progress);

  std::optional<std::size_t> columns_;
  Clock::time_point last_{};
  ConvergenceReport report_;
};

/// The table at the end of a run.
std::string summary_table(const RunConfig& config, const RunSummary& summary, int ranks);

}  // namespace flotilla::app
