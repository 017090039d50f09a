// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/option.hpp"

namespace flotilla::app {

using Words = std::vector<std::string>;

/// A word of a command's output, explained.
struct Term {
  const char* name;
  const char* meaning;
};

/// A command of the program: a row of its table, from which its help, its man page and its
/// completion follow.
struct Command {
  const char* name;     ///< "sample", or of two words, "flow show"
  const char* summary;  ///< what it does, in one sentence
  std::vector<const char*> examples;
  const char* verdict;  ///< what exit code 3 means; empty: the command never ends with it
  /// The options with their defaults, to be described; --config is not among them.
  std::vector<Option> (*options)();
  /// Reads its own command line. Every rank calls it and gets the same exit code. Collective.
  /// @throws InputError, EnvironmentError, the same on every rank
  int (*run)(const Communicator& comm, const Command& command, const Words& words);
  std::vector<Term> terms = {};  ///< of its output, for help and the man page
};

/// The options of a call as it is by default; `options_of(Call&)` has its table.
template <typename Call>
std::vector<Option> default_options() {
  static Call call;
  return options_of(call);
}

Command sample_command();
Command summary_command();
Command compare_command();
Command study_command();
Command flow_show_command();
Command flow_verify_command();
Command flow_evaluate_command();

/// All commands, as help lists them.
const std::vector<Command>& commands();

/// What every command can end with, beside a verdict of its own (3).
struct ExitCode {
  int code;
  const char* meaning;
};
inline constexpr ExitCode kExitCodes[] = {
    {0, "success"},
    {1, "the machine failed: MPI, HDF5, memory or the disk"},
    {2, "the input cannot be used: an option, a file"},
};
inline constexpr int kVerdict = 3;

}  // namespace flotilla::app
