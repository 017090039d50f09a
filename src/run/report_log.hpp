// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fstream>
#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/convergence_report.hpp"

namespace flotilla {

/// The reports of a run as lines of JSON in a file beside its output, one a report, readable while
/// the run goes on. Written by rank 0; a line that the disk refuses is lost, and ends no run.
class ReportLog {
 public:
  /// @throws InputError where there is such a file, and `force` is false
  static void expect_free(const std::string& output, bool force);

  /// Begins the file anew. Not collective: throws on rank 0 alone, inside Communicator::together().
  /// @throws InputError where it cannot be written
  ReportLog(const Communicator& comm, const std::string& output);

  /// @param seconds  since sampling began
  void append(const ConvergenceReport& report, double seconds);

  /// "run.jsonl" beside "run.h5".
  static std::string path_beside(const std::string& output);

 private:
  std::ofstream file_;  ///< closed on all ranks but 0
};

}  // namespace flotilla
