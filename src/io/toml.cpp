// SPDX-License-Identifier: BSD-3-Clause

// The one place that includes the TOML library: it takes seconds to compile.
#include "io/toml.hpp"

#include <fmt/format.h>

#define TOML_FLOAT_CHARCONV 1  // writes numbers in the shortest form that reads back
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

/// As a message can show it: of one line, and not too long.
std::string line_of(const std::string& text, std::size_t number) {
  constexpr std::size_t kMost = 80;
  std::istringstream lines(text);
  std::string line;
  for (std::size_t k = 0; k < number && std::getline(lines, line); ++k) {
  }
  if (line.ends_with('\r')) line.pop_back();
  for (char& letter : line) {
    if (std::iscntrl(static_cast<unsigned char>(letter)) != 0) letter = ' ';
  }
  return line.size() > kMost ? line.substr(0, kMost) + "..." : line;
}

/// What is wrong: in the words of this table if the library's say too little, else in its own.
std::string reason(std::string_view description) {
  constexpr std::pair<std::string_view, const char*> kOurs[] = {
      {"could not determine value type",
       "a value should be a number, true, false, a text in quotes or an array of these"},
      {"utf-8", "it should be text in UTF-8"},
      {"\\u0000", "it should be text in UTF-8"},
      {"TOML_MAX_NESTED", "its arrays stand too deep in each other"},
  };
  for (const auto& [theirs, ours] : kOurs) {
    if (description.find(theirs) != std::string_view::npos) return ours;
  }
  constexpr std::string_view kPreface = "Error while parsing ";
  if (description.starts_with(kPreface)) description.remove_prefix(kPreface.size());
  return std::string(description);
}

/// Turns the parsed document into entries.
class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  void take(const toml::table& table, const std::string& section) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (const toml::table* const inner = node.as_table()) {
        if (inner->empty()) {
          throw InputError(fmt::format("{}:{}: '{}' has nothing in it: fill it, or leave it out",
                                       source_, node.source().begin.line, name));
        }
        take(*inner, section.empty() ? name : fmt::format("{}.{}", section, name));
      } else {
        const std::size_t line = node.source().begin.line;
        entries_.push_back({section, name, value(node, name), line});
      }
    }
  }

  /// The library sorts keys by name; this restores the order of the file.
  std::vector<TomlEntry> in_order() && {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const TomlEntry& a, const TomlEntry& b) { return a.line < b.line; });
    return std::move(entries_);
  }

 private:
  TomlValue value(const toml::node& node, const std::string& key) const {
    if (const auto* const truth = node.as_boolean()) return {truth->get()};
    if (const auto* const whole = node.as_integer()) return {whole->get()};
    if (const auto* const number = node.as_floating_point()) return {number->get()};
    if (const auto* const text = node.as_string()) return {text->get()};
    if (const auto* const array = node.as_array()) {
      std::vector<TomlValue> values;
      for (const toml::node& element : *array) values.push_back(value(element, key));
      return {std::move(values)};
    }
    throw InputError(fmt::format(
        "{}:{}: '{}' should be a number, a text, true, false or an array of these but "
        "is {}",
        source_, node.source().begin.line, key, node.is_table() ? "a table" : "a date or a time"));
  }

  const std::string& source_;
  std::vector<TomlEntry> entries_;
};

std::string print(const toml::node& node) {
  std::ostringstream text;
  text << toml::toml_formatter(node, toml::format_flags::none);
  return std::move(text).str();
}

}  // namespace

std::string read_text_file(const std::string& path) {
  std::error_code unknown;
  const std::filesystem::file_status status = std::filesystem::status(path, unknown);
  const auto refuse = [&path](const char* why) {
    throw InputError(fmt::format("{}: it cannot be read: {}", path, why));
  };
  // A pipe would be waited for, and has one reader: of many ranks the others would have nothing.
  if (std::filesystem::is_directory(status)) refuse("it is a folder");
  if (!std::filesystem::exists(status)) refuse("there is no such file");
  if (!std::filesystem::is_regular_file(status)) refuse("it is a device or a pipe: name a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse("check its permissions");
  file.peek();  // where reading fails, it shows here
  if (file.bad()) refuse("its disk failed");
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<TomlEntry> parse_toml(const std::string& text, const std::string& source) {
  try {
    Reader reader(source);
    reader.take(toml::parse(text), "");
    return std::move(reader).in_order();
  } catch (const toml::parse_error& error) {
    const std::size_t line = error.source().begin.line;
    throw InputError(fmt::format("{}:{}: this is no TOML: {}; the line is '{}'", source, line,
                                 reason(error.description()), line_of(text, line)));
  }
}

std::string to_toml(const TomlValue& value) {
  if (const auto* const truth = std::get_if<bool>(&value.value)) return *truth ? "true" : "false";
  if (const auto* const whole = std::get_if<std::int64_t>(&value.value)) {
    return print(toml::value(*whole));
  }
  if (const auto* const number = std::get_if<double>(&value.value)) {
    return print(toml::value(*number));
  }
  if (const auto* const text = std::get_if<std::string>(&value.value)) {
    return print(toml::value(*text));
  }
  std::string list;
  for (const TomlValue& element : std::get<std::vector<TomlValue>>(value.value)) {
    list += (list.empty() ? "" : ", ") + to_toml(element);
  }
  return "[" + list + "]";
}

}  // namespace flotilla
