// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/study/study.hpp"
#include "io/replace_file.hpp"
#include "io/table.hpp"

namespace flotilla {

/// A report of convergence as a study keeps it.
struct CellReport {
  double draws = 0.0;
  double seconds = 0.0;
  double rhat = 0.0;
  double nested_rhat = 0.0;
  double ess = 0.0;
  double error = 0.0;  ///< of the means so far; NaN without a reference
};

/// What is known of one cell once it was run.
struct CellRecord {
  std::string key;      ///< configuration and what is looked at: a cell is done where it agrees
  std::string message;  ///< why it failed; empty where it did not
  std::vector<std::pair<std::string, double>> figures;
  std::vector<CellReport> reports;
};

/// Reads a record from a JSON file; nothing where there is none, or none that is whole. Not
/// collective.
std::optional<CellRecord> read_record(const std::string& path);

/// Writes a record as a JSON file, which has its name once the result is finished. Not collective.
/// @throws EnvironmentError where it cannot be written
[[nodiscard]] FileReplacement write_record(const std::string& path, const CellRecord& record);

/// All cells' records as tables: `runs`, a row a run; `means`, a row for the runs that differ in
/// their seed alone, with each figure's mean and standard error; `reports`, a row a report.
std::vector<Table> tables_of(const StudyPlan& plan, const std::vector<CellRecord>& records);

}  // namespace flotilla
