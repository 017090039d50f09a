// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/quality/comparison.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla {

/// One run of a study.
struct StudyCell {
  std::vector<std::pair<std::string, std::string>> options;  ///< what the study varies, seed last
  RunConfig config;
  std::optional<ComparisonConfig> comparison;  ///< of its draws, where they are to be compared
};

/// A sweep over runs: what is varied, what is looked at, where it goes.
struct StudyPlan {
  std::string output;       ///< "study.h5"; CSV files and a folder of cells lie beside it
  Index ranks_per_run = 1;  ///< ranks that make one run together
  bool keep_runs = false;   ///< whether run files stay in the folder of cells
  std::string reference;    ///< empty, "importance", or a run file: what means are held against
  double rhat = 1.01;       ///< what draws_to_rhat waits for
  double ess = 400.0;       ///< what draws_to_ess waits for
  std::vector<StudyCell> cells;

  /// Where the records of cells, and run files that are kept, go: "study.cells".
  std::string folder() const;
  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The table of a study's own settings, bound to a plan that outlives it.
std::vector<Option> options_of(StudyPlan& plan);

/// The plan that a study file describes. What it reads lies beside the file; its output goes where
/// the program runs. Not collective.
/// @param output  in place of the study's own; empty: that
/// @throws InputError "FILE:LINE: 'key' ...", where an entry cannot be used
StudyPlan read_study(const std::string& path, const std::string& output);

/// What became of a cell, told as soon as it is known.
struct CellOutcome {
  std::size_t number = 0;
  std::size_t cells = 0;
  bool before = false;  ///< finished by an earlier call, and not run again
  std::string message;  ///< why it failed; empty where it did not
  double seconds = 0.0;
};

struct StudyOutcome {
  std::size_t cells = 0;
  std::size_t before = 0;
  std::size_t failed = 0;
};

/// Works through a study: groups of ranks take the cells in turn, each cell's figures are written
/// as soon as they are known, and at the end all go into one HDF5 file and two CSV files.
///
/// Cells that finished before, with the same configuration, are not run again; those that failed
/// are. A cell that fails is recorded with its message, and the rest goes on. Collective.
/// @param told  called on the first rank of the cell's group
/// @throws InputError, EnvironmentError, the same on every rank
StudyOutcome run_study(const StudyPlan& plan, const Communicator& comm,
                       const std::function<void(const CellOutcome&)>& told);

}  // namespace flotilla
