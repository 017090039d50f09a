// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/run/option.hpp"
#include "io/toml.hpp"

namespace flotilla {

/// Sets an option from a value of a TOML file.
/// @param subject  begins the message: "a.toml:3: 'key'"
/// @throws InputError
void set_option(const Option& option, const TomlValue& value, const std::string& subject);

/// "a.toml:3: 'key'": how messages name an entry.
std::string subject_of(const TomlEntry& entry, const std::string& source);

}  // namespace flotilla
