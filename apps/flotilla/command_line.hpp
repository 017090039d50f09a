// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "command.hpp"

namespace flotilla::app {

/// The switch that keeps a command quiet.
Option quiet_row(bool& quiet);

/// The option that every command has beside its own. @param path  where its value goes
Option config_row(std::string& path);

/// Sets a command's options from its command line and the file of --config, and checks them one by
/// one; the command line wins.
///
/// Rank 0 reads for all: the values travel as TOML, and every rank takes its own from that text.
/// False where help was asked for, and printed. Collective.
/// @throws InputError naming the option that cannot be used, the same on every rank
bool read_command_line(const Communicator& comm, const Command& command,
                       const std::vector<Option>& options, const Words& words);

}  // namespace flotilla::app
