// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "command.hpp"

namespace flotilla::app {

/// What 'flotilla --help' prints: all commands.
std::string overview();

/// What 'flotilla COMMAND --help' prints, in lines of at most 100 columns.
std::string help_text(const Command& command);

/// Writes man pages, of the program and of every command, into FOLDER/man1, and the completion of
/// bash to FOLDER/completions/flotilla.
/// @throws EnvironmentError where they cannot be written
void write_documents(const std::string& folder);

}  // namespace flotilla::app
