// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the rows of a coordinate stand, in a batch that holds several for each.

#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Row `i * rows` of a batch, where coordinate i's begin; null where coordinates have none.
template <typename AnyBatch>
auto* rows_of(AnyBatch& batch, Index i, Index rows) {
  return rows == 0 ? nullptr : batch.row(i * rows);
}

/// A conditioner's outputs in the order of these coordinates, the parameters of each together;
/// files have the first parameter of all coordinates, then the second of all.
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
