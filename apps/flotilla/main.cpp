// SPDX-License-Identifier: BSD-3-Clause

// The program flotilla: calls a command, and turns what it throws into a sentence and an exit code.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "command.hpp"
#include "flotilla/core/crashes.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/parallel/environment.hpp"
#include "flotilla/parallel/last_words.hpp"
#include "flotilla/run/versions.hpp"
#include "help.hpp"
#include "reporter.hpp"

namespace flotilla::app {
namespace {

/// The build calls this, before MPI is initialised. Help does not list it.
constexpr const char* kWriteDocuments = "--write-documents";

std::string versions_text() {
  std::string text;
  for (const auto& [name, version] : versions()) text += fmt::format("{:<16}{}\n", name, version);
  return text;
}

/// Runs a command on the words after its name. Processes of one launch that know nothing of each
/// other may all read; they may not all write the same output.
int call(const Communicator& comm, const MpiEnvironment& environment, const Command& command,
         const Words& words) {
  const auto asks = [](const std::string& word) { return word == "--help" || word == "-h"; };
  if (environment.misunderstanding() && std::none_of(words.begin(), words.end(), asks)) {
    for (const Option& option : command.options()) {
      if (option.kind != OptionKind::kOutput) continue;
      throw EnvironmentError(*environment.misunderstanding());
    }
  }
  return command.run(comm, command, words);
}

/// Tells an error. Its message may quote a file from anywhere.
void complain(const std::exception& error) {
  fmt::print(stderr, "flotilla: {}\n", printable(error.what()));
}

/// Runs the command that the first words name.
int dispatch(const Communicator& comm, const MpiEnvironment& environment, const Words& words) {
  const std::string first = words.empty() ? "--help" : words[0];
  if (first == "--version") {
    if (comm.is_root()) show(versions_text());
    return 0;
  }
  if (first == "--help" || first == "-h") {
    if (comm.is_root()) show(overview());
    return 0;
  }
  const std::string both = words.size() > 1 ? first + " " + words[1] : first;
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    const bool is_this = command.name == first;
    if (is_this || command.name == both) {
      return call(comm, environment, command, {words.begin() + (is_this ? 1 : 2), words.end()});
    }
    names.emplace_back(command.name);
  }
  const std::string wrong = first == "flow" || first == "density" ? both : first;
  if (wrong.ends_with(" --help") || wrong.ends_with(" -h")) {
    if (comm.is_root()) show(overview());
    return 0;
  }
  throw InputError(
      fmt::format("'{}' is no command{} (see 'flotilla --help')", wrong, suggestion(wrong, names)));
}

int run(const Communicator& comm, const MpiEnvironment& environment, const Words& words) {
  try {
    const int code = dispatch(comm, environment, words);
    show("");  // whatever is still to be written
    return code;
  } catch (const InputError& error) {
    if (comm.is_root()) complain(error);
    return 2;
  } catch (const Hdf5Error& error) {
    if (comm.is_root()) complain(error);
    // HDF5 1.10 cannot clean up after a failed write, and crashes if it tries to at exit.
    std::fflush(nullptr);
    comm.barrier();
    std::_Exit(1);
  } catch (const MpiError& error) {
    // The other ranks may not know of the failure, and would wait.
    comm.abort(printable(error.what()));
  } catch (const EnvironmentError& error) {
    if (comm.is_root()) complain(error);
    return 1;
  } catch (const std::exception& error) {
    // Only this rank knows of the failure. End all ranks, which would wait otherwise.
    comm.abort(printable(fmt::format("unexpected: {}", error.what())));
  }
}

int start(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == kWriteDocuments) {
    write_documents(argv[2]);
    return 0;
  }
  const MpiEnvironment environment(argc, argv);
  silence_hdf5_errors();
  tell_crashes();
  const Communicator comm = Communicator::world();
  const LastWords last_words(comm);
  return run(comm, environment, Words(argv + 1, argv + argc));
}

}  // namespace
}  // namespace flotilla::app

int main(int argc, char** argv) {
  try {
    return flotilla::app::start(argc, argv);
  } catch (const std::exception& error) {
    flotilla::app::complain(error);
    return 1;
  }
}
