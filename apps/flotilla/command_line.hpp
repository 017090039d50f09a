#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "flotilla/parallel/communicator.hpp"

namespace flotilla::app {

/// A command line that rank 0 reads for all.
///
/// Rank 0 parses the arguments and the TOML file of `--config`; the resolved configuration travels
/// as TOML, and every rank, rank 0 too, takes its values from that text. So the text that a run
/// file records is the one that made the run.
class CommandLine {
 public:
  /// @param define  adds the options, bound to variables that outlive this call
  CommandLine(const std::string& name, const std::string& description,
              std::function<void(CLI::App&)> define);

  /// Sets the variables on every rank; returns the resolved TOML to be recorded, without --force
  /// and
  /// --quiet, or nothing where the program is to end with success because help was asked for.
  /// Collective.
  /// @throws InputError naming the option that cannot be used
  std::optional<std::string> parse(const Communicator& comm, int argc, char** argv) const;

  /// Sets the variables from TOML and returns it resolved, as parse() does. Not collective.
  /// @throws InputError naming the entry that cannot be used
  std::string read(const std::string& toml) const;

 private:
  std::string resolve(int argc, char** argv) const;
  void prepare(CLI::App& app) const;

  std::string name_;
  std::string description_;
  std::function<void(CLI::App&)> define_;
};

}  // namespace flotilla::app
