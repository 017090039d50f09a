// SPDX-License-Identifier: BSD-3-Clause

// The program flotilla: calls a command, and turns what it throws into a sentence and an exit code.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "command.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/io/hdf5_errors.hpp"
#include "flotilla/parallel/communicator.hpp"
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

/// Runs the command that the first words name.
int dispatch(const Communicator& comm, const Words& words) {
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
    if (command.name == first) return command.run(comm, command, {words.begin() + 1, words.end()});
    if (command.name == both) return command.run(comm, command, {words.begin() + 2, words.end()});
    names.emplace_back(command.name);
  }
  const std::string wrong = first == "flow" ? both : first;
  if (wrong.ends_with(" --help") || wrong.ends_with(" -h")) {
    if (comm.is_root()) show(overview());
    return 0;
  }
  throw InputError(
      fmt::format("'{}' is no command{} (see 'flotilla --help')", wrong, suggestion(wrong, names)));
}

int run(const Communicator& comm, const Words& words) {
  try {
    return dispatch(comm, words);
  } catch (const InputError& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    return 2;
  } catch (const Hdf5Error& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    // HDF5 1.10 cannot clean up after a failed write, and crashes if it tries to at exit.
    std::fflush(nullptr);
    comm.barrier();
    std::_Exit(1);
  } catch (const MpiError& error) {
    // The other ranks may not know of the failure, and would wait.
    comm.abort(error.what());
  } catch (const EnvironmentError& error) {
    if (comm.is_root()) fmt::print(stderr, "flotilla: {}\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    // Only this rank knows of the failure. End all ranks, which would wait otherwise.
    comm.abort(fmt::format("unexpected: {}", error.what()));
  }
}

int start(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == kWriteDocuments) {
    write_documents(argv[2]);
    return 0;
  }
  const MpiEnvironment environment(argc, argv);
  silence_hdf5_errors();
  const Communicator comm = Communicator::world();
  return run(comm, Words(argv + 1, argv + argc));
}

}  // namespace
}  // namespace flotilla::app

int main(int argc, char** argv) {
  try {
    return flotilla::app::start(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "flotilla: {}\n", error.what());
    return 1;
  }
}
