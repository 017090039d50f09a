#pragma once

#include <string>

#include "command_line.hpp"
#include "flotilla/quality/comparison.hpp"

namespace flotilla::app {

/// Adds the options of 'flotilla compare' that decide its figures.
void define_comparison(CLI::App& app, ComparisonConfig& config);

/// Reads those options from TOML, for the run of a study; not validated. Not collective.
/// @throws InputError
ComparisonConfig read_comparison(const std::string& toml);

}  // namespace flotilla::app
