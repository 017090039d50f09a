#pragma once

// The rows of one coordinate in a batch that holds several for each.

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Row `i * rows` of a batch, where coordinate i's begin; null where coordinates have none.
template <typename AnyBatch>
auto* rows_of(AnyBatch& batch, Index i, Index rows) {
  return rows == 0 ? nullptr : batch.row(i * rows);
}

/// The outputs of a conditioner, coordinate by coordinate, of a file that holds them parameter by
/// parameter: output i * parameters + p is the file's p * coordinates[i's own number] + ...
inline std::vector<Index> by_coordinate(const std::vector<Index>& coordinates, Index parameters) {
  const auto count = static_cast<Index>(coordinates.size());
  std::vector<Index> outputs;
  for (const Index coordinate : coordinates) {
    for (Index p = 0; p < parameters; ++p) outputs.push_back(p * count + coordinate);
  }
  return outputs;
}

}  // namespace flotilla
