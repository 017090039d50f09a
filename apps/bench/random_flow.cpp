// SPDX-License-Identifier: BSD-3-Clause
#include "random_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "flotilla/core/random.hpp"

namespace flotilla::bench {
namespace {

Tensor normals(std::vector<Index> shape, double scale, std::uint64_t stream) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  Batch<double> values(1, count);
  Random(7).normals(Purpose::kNaive, stream, 0, values);
  Tensor tensor{std::move(shape), {}};
  for (Index i = 0; i < count; ++i) tensor.values.push_back(scale * values(0, i));
  return tensor;
}

/// A conditioner of these widths. Its outputs are small.
void add_conditioner(LayerRecord& layer, const std::vector<Index>& sizes, std::uint64_t& stream) {
  layer.texts["activation"] = "tanh";
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const bool last = i + 2 == sizes.size();
    const double scale =
        (last ? 0.1 : 1.0) / std::sqrt(std::max(1.0, static_cast<double>(sizes[i])));
    layer.arrays[fmt::format("weight_{}", i)] = normals({sizes[i + 1], sizes[i]}, scale, stream++);
    layer.arrays[fmt::format("bias_{}", i)] = normals({sizes[i + 1]}, 0.1, stream++);
  }
}

/// A coupling that keeps every second coordinate, beginning with `first`.
LayerRecord random_coupling(Kind kind, Index dim, Index first, const std::vector<Index>& widths,
                            std::uint64_t& stream) {
  LayerRecord layer{"affine_coupling", {}, {}, {}};
  Index parameters = 2;
  if (kind == Kind::kSplineCoupling) {
    layer.type = "spline_coupling";
    layer.numbers = {{"bins", static_cast<double>(kSplineBins)}, {"bound", 3.0}};
    parameters = 3 * kSplineBins - 1;
  }
  Tensor mask{{dim}, std::vector<double>(static_cast<std::size_t>(dim), 0.0)};
  Index inputs = 0;
  for (Index i = first; i < dim; i += 2) {
    mask.values[static_cast<std::size_t>(i)] = 1.0;
    ++inputs;
  }
  layer.arrays["mask"] = std::move(mask);
  std::vector<Index> sizes = {inputs};
  sizes.insert(sizes.end(), widths.begin(), widths.end());
  sizes.push_back(parameters * (dim - inputs));
  add_conditioner(layer, sizes, stream);
  return layer;
}

/// Zeroes the weights that a unit must not have: those of inputs of a higher degree than its own.
void mask_weights(Tensor& weight, const std::vector<Index>& below,
                  const std::vector<Index>& above) {
  for (std::size_t i = 0; i < above.size(); ++i) {
    for (std::size_t j = 0; j < below.size(); ++j) {
      if (below[j] > above[i]) weight.values[i * below.size() + j] = 0.0;
    }
  }
}

/// An affine autoregressive layer with the masks of MADE, in ascending or descending order.
LayerRecord random_autoregressive(Kind kind, Index dim, bool descending,
                                  const std::vector<Index>& widths, std::uint64_t& stream) {
  LayerRecord layer{"affine_autoregressive", {}, {}, {}};
  if (kind == Kind::kMaf) layer.texts["direction"] = "inverse";
  Tensor order{{dim}, {}};
  std::vector<std::vector<Index>> degrees(1);
  for (Index i = 0; i < dim; ++i) {
    const Index place = descending ? dim - 1 - i : i;
    order.values.push_back(static_cast<double>(place));
    degrees[0].push_back(place + 1);
  }
  for (const Index width : widths) {
    degrees.emplace_back();
    degrees.back().reserve(static_cast<std::size_t>(width));
    for (Index i = 0; i < width; ++i) degrees.back().push_back(i % dim);
  }
  degrees.emplace_back();
  degrees.back().reserve(static_cast<std::size_t>(2 * dim));
  for (Index i = 0; i < 2 * dim; ++i)
    degrees.back().push_back(degrees[0][static_cast<std::size_t>(i % dim)] - 1);
  std::vector<Index> sizes;
  sizes.reserve(degrees.size());
  for (const std::vector<Index>& units : degrees) sizes.push_back(static_cast<Index>(units.size()));
  add_conditioner(layer, sizes, stream);
  for (std::size_t k = 0; k + 1 < degrees.size(); ++k) {
    mask_weights(layer.arrays[fmt::format("weight_{}", k)], degrees[k], degrees[k + 1]);
  }
  layer.arrays["order"] = std::move(order);
  return layer;
}

}  // namespace

FlowRecord random_flow(Kind kind, Index dim, int layers, const std::vector<Index>& widths) {
  FlowRecord record;
  record.dim = dim;
  std::uint64_t stream = 0;
  for (int k = 0; k < layers; ++k) {
    const bool coupling = kind == Kind::kAffineCoupling || kind == Kind::kSplineCoupling;
    record.layers.push_back(coupling
                                ? random_coupling(kind, dim, k % 2, widths, stream)
                                : random_autoregressive(kind, dim, k % 2 == 1, widths, stream));
  }
  return record;
}

LayerRecord network_map(std::string_view type, bool rising) {
  LayerRecord layer{std::string(type), {}, {}, {}};
  layer.texts["curve_activation"] = rising ? "two_way_elu" : "elu";
  const std::vector<Index> sizes = {1 + 16, 64, 64, 1};
  std::uint64_t stream = 0;
  for (std::size_t k = 0; k + 1 < sizes.size(); ++k) {
    const double scale = (rising ? 1.0 : 0.5) / std::sqrt(static_cast<double>(sizes[k]));
    Tensor weight = normals({sizes[k + 1], sizes[k]}, scale, stream++);
    for (double& value : weight.values) value = rising ? std::abs(value) : value;
    layer.arrays[fmt::format("curve_weight_{}", k)] = std::move(weight);
    layer.arrays[fmt::format("curve_bias_{}", k)] = normals({sizes[k + 1]}, 0.1, stream++);
  }
  return layer;
}

}  // namespace flotilla::bench
