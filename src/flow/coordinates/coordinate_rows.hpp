// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the rows of a coordinate stand in a batch that has several rows for each coordinate.

#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Row `i * rows` of a batch, at which coordinate i begins; null if coordinates have no rows.
template <typename AnyBatch>
auto* rows_of(AnyBatch& batch, Index i, Index rows) {
  return rows == 0 ? nullptr : batch.row(i * rows);
}

/// Reorders a conditioner's outputs so that the parameters of a coordinate stand together. In files
/// the first parameter of all coordinates comes first, then the second of all.
///
/// @return  for each output, its number in the file
inline std::vector<Index> by_coordinate(const std::vector<Index>& coordinates, Index parameters) {
  const auto count = static_cast<Index>(coordinates.size());
  std::vector<Index> outputs;
  for (const Index coordinate : coordinates) {
    for (Index p = 0; p < parameters; ++p) outputs.push_back(p * count + coordinate);
  }
  return outputs;
}

}  // namespace flotilla
