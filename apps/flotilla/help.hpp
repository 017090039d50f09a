// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "command.hpp"

namespace flotilla::app {

/// The output of 'flotilla --help': all commands.
std::string overview();

/// The output of 'flotilla COMMAND --help', in lines of at most 100 columns.
std::string help_text(const Command& command);

/// Writes man pages of the program and of every command into FOLDER/man1, and the completion for
/// bash to FOLDER/completions/flotilla.
/// @throws EnvironmentError if they cannot be written
void write_documents(const std::string& folder);

}  // namespace flotilla::app
