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
  std::vector<std::pair<std::string, std::string>> options;  ///< what the study varies; the seed
                                                             ///< is last
  RunConfig config;
  std::optional<ComparisonConfig> comparison;  ///< empty if its draws are not compared
};

/// A sweep over runs: what is varied, what is measured, where it goes.
struct StudyPlan {
  std::string output;       ///< "study.h5"; CSV files and a folder of cells are written beside it
  Index ranks_per_run = 1;  ///< ranks that make one run together, >= 1
  bool keep_runs = false;   ///< whether run files are kept in the folder of cells
  std::string reference;    ///< what means are held against: empty (nothing), "importance", or a
                            ///< run file
  double rhat = 1.01;       ///< the threshold of draws_to_rhat
  double ess = 400.0;       ///< the threshold of draws_to_ess
  std::vector<StudyCell> cells;

  /// The folder of cell records and of kept run files: "study.cells".
  std::string folder() const;
  /// @throws InputError naming what is out of range
  void validate() const;
};

/// The options of a study as a table. It points into `plan`, which must outlive it.
std::vector<Option> options_of(StudyPlan& plan);

/// Reads the plan from a study file. Inputs are relative to the study file, the output to the
/// working directory. Not collective.
///
/// @param output  replaces the output that the study names; empty: keep it
/// @throws InputError "FILE:LINE: 'key' ...", if an entry cannot be used
StudyPlan read_study(const std::string& path, const std::string& output);

/// The outcome of a cell, reported as soon as it is known.
struct CellOutcome {
  std::size_t number = 0;  ///< of the cell, from 0
  std::size_t cells = 0;
  bool before = false;  ///< finished by an earlier call; not run again
  std::string message;  ///< why it failed; empty if it succeeded
  std::string unmet;    ///< what until_rhat and until_ess waited for in vain; empty if nothing
  double seconds = 0.0;
};

/// How many cells a study has, and what became of them.
struct StudyOutcome {
  std::size_t cells = 0;
  std::size_t before = 0;  ///< finished by an earlier call
  std::size_t failed = 0;
  std::size_t unmet = 0;  ///< ended without the until_rhat or until_ess that was asked for
  std::string removed;    ///< a sentence on what a study that died had left unfinished, on rank 0;
                          ///< empty if there was nothing
};

/// Runs a study. Groups of ranks take the cells in turn and write each cell's figures at once. In
/// the end all figures go into one HDF5 file and two CSV files.
///
/// A cell that an earlier call finished with the same configuration is not run again; a failed cell
/// is. If a cell fails, its message is recorded and the others go on. Collective.
/// @param told  called on the first rank of the cell's group
/// @throws InputError, EnvironmentError, the same on every rank
StudyOutcome run_study(const StudyPlan& plan, const Communicator& comm,
                       const std::function<void(const CellOutcome&)>& told);

}  // namespace flotilla
