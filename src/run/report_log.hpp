// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fstream>
#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/convergence_report.hpp"

namespace flotilla {

/// The reports of a run, as lines of JSON in a file beside its output. It can be read while the run
/// goes on. Rank 0 writes it. If the disk refuses a line, the line is lost and the run goes on.
class ReportLog {
 public:
  /// @throws InputError if the file exists and `force` is false
  static void expect_free(const std::string& output, bool force);

  /// Creates the file. Not collective: throws on rank 0 alone, inside Communicator::together().
  /// @throws InputError if it cannot be written
  ReportLog(const Communicator& comm, const std::string& output);

  /// @param seconds  since the start of sampling
  void append(const ConvergenceReport& report, double seconds);

  /// The file's path: "run.jsonl" beside "run.h5".
  static std::string path_beside(const std::string& output);

 private:
  std::ofstream file_;  ///< open on rank 0 only
};

}  // namespace flotilla
