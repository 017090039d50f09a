// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Shared by the normal base densities: checked scales, and the density at a centre.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/elementary.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads an array. @throws InputError unless all its values are positive
inline const std::vector<double>& positive_array(const LayerReader& reader, const std::string& name,
                                                 const std::vector<Index>& shape) {
  const std::vector<double>& values = reader.array(name, shape);
  for (const double value : values) {
    if (value <= 0.0) {
      reader.fail(fmt::format("array '{}' should be positive but holds {}", name, value));
    }
  }
  return values;
}

/// log N(loc; loc, diag(scale^2)), for scale [dim].
inline double log_density_at_centre(const double* scale, Index dim) {
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  double sum = -kHalfLogTwoPi * static_cast<double>(dim);
  for (Index i = 0; i < dim; ++i) sum -= elementary::log_of_any(scale[i]);
  return sum;
}

}  // namespace flotilla
