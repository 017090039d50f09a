#pragma once

#include <map>
#include <optional>
#include <string>

#include "command_line.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla::app {

/// The options of 'flotilla sample', wherever they come from: a command line, a file, a study.
class RunOptions {
 public:
  RunOptions();
  RunOptions(const RunOptions&) = delete;
  RunOptions& operator=(const RunOptions&) = delete;

  /// Reads them from a command line; nothing where help was asked for and printed. Collective.
  /// @throws InputError as CommandLine::parse() and RunConfig::validate() do
  std::optional<RunConfig> parse(const Communicator& comm, int argc, char** argv);

  /// Reads them from TOML; not validated. Not collective. @throws InputError
  RunConfig read(const std::string& toml);

  bool quiet() const { return quiet_; }

 private:
  RunConfig resolved(const std::string& text) const;
  void define(CLI::App& app);

  // Options that say the opposite of what the configuration holds, or concern the screen alone.
  bool no_adapt_ = false;
  bool no_latent_ = false;
  bool quiet_ = false;
  RunConfig run_;
  // By name; empty where an option was not given.
  std::map<std::string, std::optional<double>> target_parameters_;
  std::map<std::string, std::optional<double>> kernel_parameters_;
  CommandLine command_line_;
};

}  // namespace flotilla::app
