// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "command.hpp"

namespace flotilla::app {

/// The switch that keeps a command quiet.
Option quiet_row(bool& quiet);

/// The switch that makes a command print JSON.
Option json_row(bool& json);

/// The option --config, which every command has. @param path  where its value goes
Option config_row(std::string& path);

/// Sets a command's options from its command line and from the file of --config, and checks each.
/// The command line takes precedence.
///
/// Rank 0 reads them and broadcasts the values as TOML; every rank sets its options from that text.
/// Returns false if help was requested, which is then printed. Collective.
/// @throws InputError naming the option that cannot be used, the same on every rank
bool read_command_line(const Communicator& comm, const Command& command,
                       const std::vector<Option>& options, const Words& words);

}  // namespace flotilla::app
