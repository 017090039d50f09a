// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "io/replace_file.hpp"

namespace flotilla {

/// The reports of a run, as lines of JSON in a file beside its output. It can be read while the run
/// goes on. Rank 0 writes it. Lines that the disk refuses are kept and tried again with the next
/// one: the run goes on.
class ReportLog {
 public:
  /// @throws InputError if the file exists and `force` is false, or is no regular file
  static void expect_free(const std::string& output, bool force);

  /// Creates the file. Not collective: throws on rank 0 alone, inside Communicator::together().
  /// @param before  lines of the same run that were written before it was stopped
  /// @throws InputError if it cannot be written
  ReportLog(const Communicator& comm, const std::string& output, const std::string& before = "");
  ~ReportLog();
  ReportLog(const ReportLog&) = delete;
  ReportLog& operator=(const ReportLog&) = delete;

  /// @param seconds  since the start of sampling
  void append(const ConvergenceReport& report, double seconds);

  /// All lines so far; empty but on rank 0.
  const std::string& text() const { return text_; }

  /// Not collective, as above.
  /// @throws EnvironmentError if the file does not hold every report now, or is no longer there
  void finish();

  /// The file's path: "run.jsonl" beside "run.h5".
  static std::string path_beside(const std::string& output);

 private:
  void add(const std::string& lines);
  void write_waiting();

  std::string output_;
  std::string path_;
  int file_ = -1;      ///< open on rank 0 only
  FileIdentity made_;  ///< its size is that of the lines written so far
  std::string text_;
  std::string waiting_;  ///< lines, or the rest of one, that the disk has not taken yet
  int reason_ = 0;       ///< why: errno
};

}  // namespace flotilla
