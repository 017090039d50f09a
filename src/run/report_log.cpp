// SPDX-License-Identifier: BSD-3-Clause
#include "run/report_log.hpp"

#include <fmt/format.h>

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
  if (!std::filesystem::exists(path, unknown) || force) return;
  throw InputError(fmt::format(
      "{} exists already, where this run's reports would go: choose another output, or replace it "
      "with --force",
      path));
}

ReportLog::ReportLog(const Communicator& comm, const std::string& output) {
  if (!comm.is_root()) return;
  const std::string path = path_beside(output);
  file_.open(path, std::ios::trunc);
  if (!file_) {
    throw InputError(fmt::format(
        "cannot write {}: {}: choose an output in a directory that may be written to, or set "
        "--report-every 0",
        path, std::strerror(errno)));
  }
}

void ReportLog::append(const ConvergenceReport& report, double seconds) {
  if (!file_.is_open()) return;
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
  file_ << line.dump() << std::endl;
}

}  // namespace flotilla
