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

/// A report of convergence, as a study keeps it.
struct CellReport {
  double draws = 0.0;
  double seconds = 0.0;
  double rhat = 0.0;
  double nested_rhat = 0.0;
  double ess = 0.0;
  double error = 0.0;  ///< of the means so far; NaN without a reference
};

/// The record of one cell that was run.
struct CellRecord {
  std::string key;      ///< configuration and what is measured; a cell is done if its record has
                        ///< this key
  std::string message;  ///< why it failed; empty if it succeeded
  std::string unmet;    ///< what until_rhat and until_ess waited for in vain; empty if nothing
  std::vector<std::pair<std::string, double>> figures;
  std::vector<CellReport> reports;
};

/// Reads a record from a JSON file; empty if the file is missing or incomplete. Not collective.
std::optional<CellRecord> read_record(const std::string& path);

/// Writes a record as a JSON file under its unfinished name; finish() of the result gives it its
/// own. Not collective.
/// @throws EnvironmentError if it cannot be written
[[nodiscard]] FileReplacement write_record(const std::string& path, const CellRecord& record);

/// The records of all cells as tables. `runs` has a row per run. `means` has a row for the runs
/// that differ only in their seed, with each figure's mean and standard error. `reports` has a row
/// per report.
std::vector<Table> tables_of(const StudyPlan& plan, const std::vector<CellRecord>& records);

}  // namespace flotilla
