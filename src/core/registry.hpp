// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Looking up a row in a registry of targets or kernels.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla {

/// The row of that name. @param option  the option that chooses among the rows, "target"
/// @throws InputError naming the choices if there is no such row
template <typename Row>
const Row& find_row(const std::vector<Row>& rows, const char* option, const std::string& name) {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    if (name == row.choice.name) return row;
    names.emplace_back(row.choice.name);
  }
  throw InputError(
      fmt::format("--{} should be one of {} but is '{}'", option, fmt::join(names, ", "), name));
}

}  // namespace flotilla
