#include "random_flow.hpp"

#include <fmt/format.h>

#include <cmath>

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

}  // namespace

FlowRecord random_realnvp(Index dim, int layers, const std::vector<Index>& widths) {
  FlowRecord record;
  record.dim = dim;
  std::uint64_t stream = 0;
  for (int k = 0; k < layers; ++k) {
    LayerRecord layer;
    layer.type = "affine_coupling";
    layer.texts["activation"] = "tanh";
    Tensor mask{{dim}, std::vector<double>(static_cast<std::size_t>(dim), 0.0)};
    for (Index i = 0; i < dim; ++i) {
      if (i % 2 == k % 2) mask.values[static_cast<std::size_t>(i)] = 1.0;
    }
    Index inputs = 0;
    for (const double bit : mask.values) inputs += bit > 0.0 ? 1 : 0;
    std::vector<Index> sizes = {inputs};
    sizes.insert(sizes.end(), widths.begin(), widths.end());
    sizes.push_back(2 * (dim - inputs));
    layer.arrays["mask"] = std::move(mask);
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
      const bool last = i + 2 == sizes.size();
      const double scale = (last ? 0.1 : 1.0) / std::sqrt(static_cast<double>(sizes[i]));
      layer.arrays[fmt::format("weight_{}", i)] =
          normals({sizes[i + 1], sizes[i]}, scale, stream++);
      layer.arrays[fmt::format("bias_{}", i)] = normals({sizes[i + 1]}, 0.1, stream++);
    }
    record.layers.push_back(std::move(layer));
  }
  return record;
}

}  // namespace flotilla::bench
