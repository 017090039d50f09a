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

/// A key and its value, where they stand.
struct TomlEntry {
  std::string section;  ///< "sample", or "a.b"; empty for what stands before all sections
  std::string key;
  TomlValue value;
  std::size_t line = 0;  ///< from 1
};

/// A text file whole. @throws InputError where it cannot be read
std::string read_text_file(const std::string& path);

/// The entries of a TOML text in its order.
/// @param source  what the text is called: every message begins with "SOURCE:LINE: "
/// @throws InputError where it is no TOML, or has values of a kind that no option has, as dates
std::vector<TomlEntry> parse_toml(const std::string& text, const std::string& source);

/// A value as a TOML file writes it; a number reads back to the same bits.
std::string to_toml(const TomlValue& value);

}  // namespace flotilla
