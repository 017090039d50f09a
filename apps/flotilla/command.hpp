// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla::app {

using Words = std::vector<std::string>;

/// A word of a command's output, with its explanation.
struct Term {
  const char* name;
  const char* meaning;
};

/// A command of the program: a row of a table. Its help, man page and completion follow from the
/// row.
struct Command {
  const char* name;     ///< "sample"; or two words, "flow show"
  const char* summary;  ///< what it does, in one sentence
  std::vector<const char*> examples;
  const char* verdict;  ///< meaning of exit code 3; empty if the command never ends with it
  /// Its options with their defaults, to be described; without --config.
  std::vector<Option> (*options)();
  /// Reads its own command line and runs. All ranks call it and get the same exit code. Collective.
  /// @throws InputError, EnvironmentError, the same on every rank
  int (*run)(const Communicator& comm, const Command& command, const Words& words);
  std::vector<Term> terms = {};  ///< words of its output, for help and the man page
};

/// The options of a default call; options_of(Call&) has the table.
template <typename Call>
std::vector<Option> default_options() {
  static Call call;
  return options_of(call);
}

Command sample_command();
Command resume_command();
Command summary_command();
Command compare_command();
Command evidence_command();
Command verify_command();
Command study_command();
Command flow_show_command();
Command flow_verify_command();
Command flow_evaluate_command();
Command flow_identity_command();
Command density_check_command();
Command doctor_command();

/// All commands, in the order of help.
const std::vector<Command>& commands();

/// The exit codes of every command. A command may also have a verdict (3).
struct ExitCode {
  int code;
  const char* meaning;
};
inline constexpr ExitCode kExitCodes[] = {
    {0, "success"},
    {1, "the machine failed: MPI, HDF5, memory or the disk; or a density did in mid-run"},
    {2, "the input cannot be used: an option, a file"},
    {75, "told to stop, by a signal or by --max-walltime: the run can go on"},
};
inline constexpr int kVerdict = 3;

}  // namespace flotilla::app
