// SPDX-License-Identifier: BSD-3-Clause
#include "io/table.hpp"
#include "core/crash_sentence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "flotilla/core/error.hpp"
#include "io/hdf5.hpp"
#include "io/replace_file.hpp"

namespace flotilla {
namespace {

struct WriteColumn {
  hdf5::Group& group;
  const std::string& name;

  void operator()(const std::vector<double>& values) const {
    const hdf5::Dataspace space({values.size()});
    group.make_dataset(name, hdf5::Type::of<double>(), space).write(values.data());
  }
  void operator()(const std::vector<std::string>& values) const {
    const hdf5::Dataspace space({values.size()});
    std::size_t longest = 0;
    for (const std::string& value : values) longest = std::max(longest, value.size());
    group.make_dataset(name, hdf5::Type::text(longest), space).write(values);
  }
};

std::string cell(double value) {
  return std::isnan(value) ? "" : fmt::format("{}", value);
}

/// Quotes a field that holds a comma, a quote or a line break.
std::string cell(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::size_t Table::rows() const {
  if (columns.empty()) return 0;
  return std::visit([](const auto& values) { return values.size(); }, columns.front().second);
}

void write_tables(const std::string& path, const std::vector<Table>& tables) {
  FileReplacement replacement(path);
  try {
    hdf5::File file = hdf5::File::create(replacement.unfinished());
    for (const Table& table : tables) {
      hdf5::Group group = file.make_group(table.name);
      for (const auto& [name, column] : table.columns) std::visit(WriteColumn{group, name}, column);
    }
    file.flush();
    file.close_file();
  } catch (const Hdf5Error& error) {
    throw Hdf5Error(fmt::format("cannot write {}: {}", path, error.what()));
  }
  replacement.finish();
}

bool is_tables(const std::string& path, const std::vector<std::string>& names) {
  const CrashSentence crash(hdf5::crash_sentence(path));
  if (!hdf5::is_hdf5(path)) return false;
  try {
    const hdf5::File file = hdf5::File::open(path);
    return std::all_of(names.begin(), names.end(),
                       [&](const std::string& name) { return file.has(name); });
  } catch (const Hdf5Error&) {  // it is damaged
    return false;
  }
}

void write_csv(const std::string& path, const Table& table) {
  FileReplacement replacement(path);
  std::ofstream file(replacement.unfinished(), std::ios::trunc);
  const auto end = [&](std::size_t column) {
    return column + 1 == table.columns.size() ? "\r\n" : ",";
  };
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    file << cell(table.columns[c].first) << end(c);
  }
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      std::visit([&](const auto& values) { file << cell(values[row]); }, table.columns[c].second);
      file << end(c);
    }
  }
  file.close();
  if (!file) fail_to_write(path);
  replacement.finish();
}

}  // namespace flotilla
