// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Shared by the normal base densities: checked scales, the density at a centre, and what they do to
// one coordinate of all chains.

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

/// value <- value + sign * the exponent of N(loc, scale^2) at row; both [count].
template <typename T>
void add_normal_exponent(const T* row, double loc, double scale, double sign, double* value,
                         Index count) {
  const double precision = 1.0 / scale;
  for (Index c = 0; c < count; ++c) {
    const double standard = (static_cast<double>(row[c]) - loc) * precision;
    value[c] -= sign * 0.5 * standard * standard;
  }
}

/// score <- d log N(row; loc, scale^2) / d row; both [count].
template <typename T>
void normal_score(const T* row, double loc, double scale, T* score, Index count) {
  const double precision = 1.0 / scale;
  for (Index c = 0; c < count; ++c) {
    score[c] = static_cast<T>((loc - static_cast<double>(row[c])) * precision * precision);
  }
}

/// row <- loc + scale * row where `take` is not zero; both [count].
template <typename T>
void place_row(const T* take, double loc, double scale, T* row, Index count) {
  for (Index c = 0; c < count; ++c) {
    const T moved = static_cast<T>(loc + scale * static_cast<double>(row[c]));
    row[c] = take[c] != T{} ? moved : row[c];
  }
}

}  // namespace flotilla
