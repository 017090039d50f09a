// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace flotilla {

/// Columns of equal length, of numbers or of text. An unknown number is NaN.
struct Table {
  using Column = std::variant<std::vector<double>, std::vector<std::string>>;

  std::string name;
  std::vector<std::pair<std::string, Column>> columns;

  std::size_t rows() const;
};

/// Writes tables as groups of one HDF5 file. A column is a dataset [rows]. The file is written
/// under a temporary name and then renamed.
/// @throws Hdf5Error, EnvironmentError
void write_tables(const std::string& path, const std::vector<Table>& tables);

/// Whether a file is HDF5 and has these groups.
bool is_tables(const std::string& path, const std::vector<std::string>& names);

/// Writes one table as CSV (RFC 4180). NaN becomes an empty field. Replaces the file at once.
/// @throws EnvironmentError
void write_csv(const std::string& path, const Table& table);

}  // namespace flotilla
