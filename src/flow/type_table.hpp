// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tables of the types that flow files may name, a row for each, and how to look up a row.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A type's name, and how to make one from its record. Made is Layer<T> or Base<T>.
template <typename Made>
struct TypeRow {
  std::string_view type;
  std::unique_ptr<Made> (*make)(const LayerReader& reader);
};

template <typename Made, typename Type>
constexpr TypeRow<Made> type_row() {
  return {Type::kType, [](const LayerReader& reader) -> std::unique_ptr<Made> {
            return std::make_unique<Type>(reader);
          }};
}

template <typename Made, std::size_t kRows>
std::vector<std::string_view> types_of(const std::array<TypeRow<Made>, kRows>& table) {
  std::vector<std::string_view> types;
  types.reserve(table.size());
  for (const TypeRow<Made>& row : table) types.push_back(row.type);
  return types;
}

/// The row of the reader's type. @param what  what the rows are, for the message
/// @throws InputError naming the types if there is no such row
template <typename Made, std::size_t kRows>
const TypeRow<Made>& row_of(const std::array<TypeRow<Made>, kRows>& table,
                            const LayerReader& reader, std::string_view what) {
  for (const TypeRow<Made>& row : table) {
    if (row.type == reader.type()) return row;
  }
  reader.fail(fmt::format("{} '{}' is unknown (this version has: {})", what, reader.type(),
                          fmt::join(types_of(table), ", ")));
}

}  // namespace flotilla
