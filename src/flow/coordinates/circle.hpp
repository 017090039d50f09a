// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Coordinates on circles, as records have them.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/circle.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads array `circular` [dim]: the coordinates that lie on a circle, ascending; none without it.
/// @throws InputError unless it holds zeros and ones
inline std::vector<Index> read_circular(const LayerReader& reader) {
  std::vector<Index> found;
  if (!reader.has_array("circular")) return found;
  const std::vector<Index> marks = reader.whole_numbers("circular", reader.dim());
  for (Index i = 0; i < reader.dim(); ++i) {
    const Index mark = marks[static_cast<std::size_t>(i)];
    if (mark > 1) reader.fail("array 'circular' should hold zeros and ones");
    if (mark == 1) found.push_back(i);
  }
  return found;
}

/// The numbers from 0 to dim - 1 that are not among these, ascending. @pre chosen ascends
inline std::vector<Index> others(const std::vector<Index>& chosen, Index dim) {
  std::vector<Index> found;
  std::size_t next = 0;
  for (Index i = 0; i < dim; ++i) {
    if (next < chosen.size() && chosen[next] == i) {
      ++next;
    } else {
      found.push_back(i);
    }
  }
  return found;
}

/// out <- -sign infinity where a coordinate is no point of a circle: NaN or infinite.
template <typename T>
void require_finite(const T* row, double sign, PerChain& out) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (Index c = 0; c < out.stride(); ++c) {
    out.row(0)[c] = std::isfinite(row[c]) ? out.row(0)[c] : -sign * kInfinity;
  }
}

}  // namespace flotilla
