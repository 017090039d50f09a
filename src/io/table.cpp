#include "flotilla/io/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "flotilla/core/error.hpp"
#include "flotilla/io/hdf5.hpp"

namespace flotilla {
namespace {

using hdf5::check;
using hdf5::Handle;

struct WriteColumn {
  hid_t group;
  const std::string& name;

  Handle make(hid_t type, std::size_t rows) const {
    const auto size = static_cast<hsize_t>(rows);
    const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, "H5Screate_simple");
    return Handle(
        H5Dcreate2(group, name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Dclose, "H5Dcreate " + name);
  }

  void operator()(const std::vector<double>& values) const {
    const Handle dataset = make(H5T_NATIVE_DOUBLE, values.size());
    check(H5Dwrite(dataset.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "H5Dwrite " + name);
  }

  void operator()(const std::vector<std::string>& values) const {
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "H5Tcopy");
    check(H5Tset_size(type.id(), H5T_VARIABLE), "H5Tset_size");
    check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "H5Tset_cset");
    const Handle dataset = make(type.id(), values.size());
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const std::string& value : values) texts.push_back(value.c_str());
    check(H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                   static_cast<const void*>(texts.data())),
          "H5Dwrite " + name);
  }
};

std::string cell(double value) {
  return std::isnan(value) ? "" : fmt::format("{}", value);
}

/// Quoted where a comma, a quote or a line break is in it.
std::string cell(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

void replace(const std::string& from, const std::string& path) {
  std::error_code error;
  std::filesystem::rename(from, path, error);
  if (!error) return;
  throw EnvironmentError(fmt::format("cannot write {}: {}", path, error.message()));
}

}  // namespace

std::size_t Table::rows() const {
  if (columns.empty()) return 0;
  return std::visit([](const auto& values) { return values.size(); }, columns.front().second);
}

void write_tables(const std::string& path, const std::vector<Table>& tables) {
  const std::string unfinished = path + ".unfinished";
  {
    const Handle file(H5Fcreate(unfinished.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                      H5Fclose, "H5Fcreate " + unfinished);
    for (const Table& table : tables) {
      const Handle group = hdf5::make_group(file.id(), table.name);
      for (const auto& [name, column] : table.columns) {
        std::visit(WriteColumn{group.id(), name}, column);
      }
    }
    check(H5Fflush(file.id(), H5F_SCOPE_LOCAL), "H5Fflush " + unfinished);
  }
  replace(unfinished, path);
}

bool is_tables(const std::string& path, const std::vector<std::string>& names) {
  if (H5Fis_hdf5(path.c_str()) <= 0) return false;
  const Handle file = hdf5::open_file(path);
  return std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return hdf5::has_link(file.id(), name); });
}

void write_csv(const std::string& path, const Table& table) {
  const std::string unfinished = path + ".unfinished";
  std::ofstream file(unfinished, std::ios::trunc);
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
  if (!file) throw EnvironmentError(fmt::format("cannot write {}: is the disk full?", unfinished));
  replace(unfinished, path);
}

}  // namespace flotilla
