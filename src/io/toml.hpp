// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace flotilla {

/// A value as a TOML file has it.
struct TomlValue {
  std::variant<bool, std::int64_t, double, std::string, std::vector<TomlValue>> value;

  bool operator==(const TomlValue&) const = default;
};

/// A key, its value and its position.
struct TomlEntry {
  std::string section;  ///< "sample", or "a.b"; empty before the first section
  std::string key;
  TomlValue value;
  std::size_t line = 0;  ///< from 1
};

/// Reads a whole text file. @throws InputError if it cannot be read
std::string read_text_file(const std::string& path);

/// The entries of a TOML text, in order.
/// @param source  name of the text: every message begins with "SOURCE:LINE: "
/// @throws InputError if it is not TOML, or has a value of a kind that no option has, such as a
/// date
std::vector<TomlEntry> parse_toml(const std::string& text, const std::string& source);

/// A value as TOML. A number reads back to the same bits.
std::string to_toml(const TomlValue& value);

}  // namespace flotilla
