// SPDX-License-Identifier: BSD-3-Clause
#include "run/report_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "flotilla/core/error.hpp"
#include "run/json_number.hpp"

namespace flotilla {

std::string ReportLog::path_beside(const std::string& output) {
  const std::filesystem::path path(output);
  if (path.extension() != ".h5") return output + ".jsonl";
  return std::filesystem::path(path).replace_extension(".jsonl").string();
}

void ReportLog::expect_free(const std::string& output, bool force) {
  const std::string path = path_beside(output);
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown) && !force) {
    throw InputError(fmt::format(
        "{} exists already, where this run's reports would go: choose another output, or replace "
        "it with --force",
        path));
  }
  expect_replaceable(path, force);
}

ReportLog::ReportLog(const Communicator& comm, const std::string& output, const std::string& before)
    : output_(output), path_(path_beside(output)) {
  if (!comm.is_root()) return;
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file_ < 0) {
    throw InputError(fmt::format(
        "cannot write {}: {}: choose an output in a directory that may be written to, or set "
        "--report-every 0",
        path_, std::strerror(errno)));
  }
  made_ = FileIdentity::of(path_).value_or(FileIdentity());
  add(before);
}

ReportLog::~ReportLog() {
  if (file_ >= 0) close(file_);
}

void ReportLog::append(const ConvergenceReport& report, double seconds) {
  if (file_ < 0) return;
  const nlohmann::ordered_json line = {
      {"draws", report.draws},
      {"seconds", seconds},
      {"rhat", json_number(report.rhat)},
      {"rhat_of", report.rhat_of},
      {"nested_rhat", json_number(report.nested_rhat)},
      {"ess", json_number(report.ess)},
      {"ess_of", report.ess_of},
      {"acceptance_rate", json_number(report.acceptance_rate)},
      {"global_acceptance_rate", json_number(report.global_acceptance_rate)},
      {"mean_squared_jump", json_number(report.mean_squared_jump)},
  };
  add(line.dump() + "\n");
}

void ReportLog::add(const std::string& lines) {
  text_ += lines;
  waiting_ += lines;
  write_waiting();
}

void ReportLog::write_waiting() {
  while (!waiting_.empty()) {
    const ssize_t written = write(file_, waiting_.data(), waiting_.size());
    if (written < 0 && errno == EINTR) continue;
    reason_ = written < 0 ? errno : 0;
    if (written <= 0) return;
    waiting_.erase(0, static_cast<std::size_t>(written));
    made_.size += static_cast<std::uintmax_t>(written);
  }
}

void ReportLog::finish() {
  if (file_ < 0) return;
  write_waiting();
  const std::string others = fmt::format("the draws are complete in {}", output_);
  if (!waiting_.empty()) {
    throw EnvironmentError(
        fmt::format("cannot write {}: {}: the last {} reports are missing, but {}", path_,
                    std::strerror(reason_ == 0 ? ENOSPC : reason_),
                    std::count(waiting_.begin(), waiting_.end(), '\n'), others));
  }
  expect_still_there(path_, made_, "the reports of this run are lost, but " + others);
  force_to_disk(path_);
}

}  // namespace flotilla
