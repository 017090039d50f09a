// SPDX-License-Identifier: BSD-3-Clause
#include "flow/identity.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "flotilla/core/error.hpp"
#include "flotilla/core/random.hpp"

namespace flotilla {
namespace {

constexpr Index kGoldenPoints = 32;
constexpr std::uint64_t kGoldenSeed = 1;

/// The values of `numbers`, or `otherwise` dim times if there are none.
/// @throws InputError if there are not dim of them, or one is not finite
std::vector<double> complete(const char* name, std::vector<double> numbers, Index dim,
                             double otherwise) {
  const auto count = static_cast<std::size_t>(dim);
  if (numbers.empty()) numbers.assign(count, otherwise);
  if (numbers.size() != count) {
    throw InputError(fmt::format("{} should be {} numbers, one for each coordinate, but is {}",
                                 name, dim, numbers.size()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isfinite(numbers[i])) continue;
    throw InputError(
        fmt::format("{} should be finite numbers but is {} at coordinate {}", name, numbers[i], i));
  }
  return numbers;
}

/// Standard normals [kGoldenPoints x dim], the same for every flow of this dim.
Tensor normals(std::uint64_t step, Index dim) {
  Batch<double> batch(dim, kGoldenPoints);
  Random(kGoldenSeed).normals(Purpose::kNaive, step, 0, batch);
  Tensor tensor{{kGoldenPoints, dim}, {}};
  for (Index j = 0; j < kGoldenPoints; ++j) {
    for (Index i = 0; i < dim; ++i) tensor.values.push_back(batch(i, j));
  }
  return tensor;
}

/// Applies x = loc + scale z to every row.
Tensor mapped(Tensor rows, const std::vector<double>& loc, const std::vector<double>& scale) {
  for (std::size_t k = 0; k < rows.values.size(); ++k) {
    const std::size_t i = k % loc.size();
    rows.values[k] = loc[i] + scale[i] * rows.values[k];
  }
  return rows;
}

/// log N(z; 0, I) of every row.
Tensor standard_normal_density(const Tensor& z) {
  const auto dim = static_cast<std::size_t>(z.shape[1]);
  Tensor density{{z.shape[0]}, {}};
  for (std::size_t first = 0; first < z.values.size(); first += dim) {
    double squares = 0.0;
    for (std::size_t k = first; k < first + dim; ++k) squares += z.values[k] * z.values[k];
    density.values.push_back(-0.5 * squares -
                             0.5 * static_cast<double>(dim) * std::log(2.0 * std::numbers::pi));
  }
  return density;
}

/// The closed form of all that a reader recomputes.
GoldenValues golden_values(Index dim, const std::vector<double>& loc,
                           const std::vector<double>& scale) {
  double log_det = 0.0;
  for (const double factor : scale) log_det += std::log(factor);
  const std::vector<double> zeros(loc.size(), 0.0);
  const std::vector<double> minus_one(loc.size(), -1.0);
  GoldenValues golden;
  golden.z = normals(0, dim);
  golden.x = mapped(golden.z, loc, scale);
  golden.log_det = {{kGoldenPoints}, std::vector<double>(kGoldenPoints, log_det)};
  golden.log_det_gradient = {golden.z.shape, std::vector<double>(golden.z.values.size(), 0.0)};
  golden.tangent = normals(1, dim);
  golden.jvp = mapped(golden.tangent, zeros, scale);
  golden.base_log_density = standard_normal_density(golden.z);
  golden.base_score = mapped(golden.z, zeros, minus_one);
  return golden;
}

}  // namespace

FlowRecord identity_flow(Index dim, std::vector<double> loc, std::vector<double> scale) {
  const bool bare = loc.empty() && scale.empty();
  loc = complete("loc", std::move(loc), dim, 0.0);
  scale = complete("scale", std::move(scale), dim, 1.0);
  for (std::size_t i = 0; i < scale.size(); ++i) {
    if (scale[i] > 0.0) continue;
    throw InputError(fmt::format("scale should be > 0 but is {} at coordinate {}", scale[i], i));
  }
  FlowRecord record;
  record.dim = dim;
  record.golden = golden_values(dim, loc, scale);
  record.provenance = {{"made_by", "flotilla flow identity"}};
  if (!bare) {
    record.layers.push_back({.type = "diagonal_affine",
                             .texts = {},
                             .numbers = {},
                             .arrays = {{"scale", {{dim}, scale}}, {"shift", {{dim}, loc}}}});
  }
  return record;
}

}  // namespace flotilla
