// SPDX-License-Identifier: BSD-3-Clause
#include "support/test_flows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <sstream>
#include <utility>

#include "support/batches.hpp"

namespace flotilla::test {
namespace {

Tensor random_tensor(NumberStream& numbers, std::vector<Index> shape, double scale) {
  Tensor tensor{std::move(shape), {}};
  Index count = 1;
  for (const Index size : tensor.shape) count *= size;
  for (Index i = 0; i < count; ++i) tensor.values.push_back(numbers.symmetric(scale));
  return tensor;
}

Tensor constant_tensor(Index count, double value) {
  return {{count}, std::vector<double>(static_cast<std::size_t>(count), value)};
}

std::vector<int> alternating_mask(Index dim, Index parity) {
  std::vector<int> mask;
  for (Index i = 0; i < dim; ++i) mask.push_back(i % 2 == parity ? 1 : 0);
  return mask;
}

}  // namespace

LayerRecord random_coupling(const std::vector<int>& mask, const ConditionerShape& shape,
                            std::uint64_t seed) {
  NumberStream numbers(seed);
  LayerRecord layer{"affine_coupling", {{"activation", shape.activation}}, {}, {}};
  if (shape.activation == "leaky_relu") layer.numbers["negative_slope"] = 0.125;
  if (shape.activation == "elu") layer.numbers["alpha"] = 0.75;

  const auto dim = static_cast<Index>(mask.size());
  const Index kept = std::accumulate(mask.begin(), mask.end(), Index{0});
  layer.arrays["mask"] = {{dim}, std::vector<double>(mask.begin(), mask.end())};
  std::vector<Index> sizes = {kept};
  sizes.insert(sizes.end(), shape.widths.begin(), shape.widths.end());
  sizes.push_back(2 * (dim - kept));
  for (std::size_t k = 0; k + 1 < sizes.size(); ++k) {
    const bool last = k + 2 == sizes.size();
    // Uniform weights of this width give a hidden unit the spread of its inputs.
    const double fan_in = sizes[k] > 0 ? static_cast<double>(sizes[k]) : 1.0;
    const double scale = (last ? shape.gain : 1.0) * std::sqrt(3.0 / fan_in);
    const std::string number = std::to_string(k);
    layer.arrays["weight_" + number] = random_tensor(numbers, {sizes[k + 1], sizes[k]}, scale);
    layer.arrays["bias_" + number] = random_tensor(numbers, {sizes[k + 1]}, 0.5);
  }
  return layer;
}

void add_program(LayerRecord& layer, const Program& program, Index inputs, Index outputs,
                 std::uint64_t seed) {
  NumberStream numbers(seed);
  layer.texts["network"] = program.network;
  std::istringstream words(program.network);
  std::size_t linears = 0;
  std::size_t norms = 0;
  std::size_t sines = 0;
  Index width = inputs;
  for (std::string word; words >> word;) {
    if (word == "linear") {
      const bool last = linears == program.widths.size();
      const Index rows = last ? outputs : program.widths[linears];
      const double fan_in = width > 0 ? static_cast<double>(width) : 1.0;
      const std::string number = std::to_string(linears++);
      layer.arrays["weight_" + number] = random_tensor(
          numbers, {rows, width}, (last ? program.gain : 1.0) * std::sqrt(3.0 / fan_in));
      layer.arrays["bias_" + number] = random_tensor(numbers, {rows}, 0.5);
      width = rows;
    } else if (word == "affine" || word == "layer_norm") {
      const std::string number = std::to_string(norms++);
      layer.arrays["norm_scale_" + number] = random_tensor(numbers, {width}, 1.0);
      layer.arrays["norm_shift_" + number] = random_tensor(numbers, {width}, 0.5);
    } else if (word == "sine") {
      Tensor chosen = constant_tensor(width, 0.0);
      for (std::size_t i = 0; i < chosen.values.size(); i += 3) chosen.values[i] = 1.0;
      layer.arrays["sine_" + std::to_string(sines++)] = chosen;
    }
  }
}

LayerRecord random_coupling_of(LayerRecord map, const std::vector<int>& mask,
                               const Program& program, Index parameters, std::uint64_t seed) {
  const auto dim = static_cast<Index>(mask.size());
  const Index kept = std::accumulate(mask.begin(), mask.end(), Index{0});
  map.arrays["mask"] = {{dim}, std::vector<double>(mask.begin(), mask.end())};
  add_program(map, program, kept, parameters * (dim - kept), seed);
  return map;
}

namespace {

/// Zeroes the weights that a unit must not have: those of inputs of a higher degree than its own.
void mask_weight(Tensor& weight, const std::vector<Index>& rows, const std::vector<Index>& cols) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < cols.size(); ++j) {
      if (cols[j] > rows[i]) weight.values[i * cols.size() + j] = 0.0;
    }
  }
}

}  // namespace

LayerRecord random_autoregressive_of(LayerRecord map, Index dim, const Program& program,
                                     Index parameters, std::uint64_t seed) {
  add_program(map, program, dim, parameters * dim, seed);
  map.arrays["order"] = random_permutation(dim, seed + 1).arrays.at("indices");
  std::vector<Index> order;
  for (const double place : map.arrays["order"].values) order.push_back(static_cast<Index>(place));
  // Degrees as in MADE: inputs 1 .. dim, hidden units 0 .. dim - 1 repeatedly, outputs in their
  // order.
  std::vector<Index> degrees;
  for (const Index place : order) degrees.push_back(place + 1);
  for (std::size_t k = 0; k <= program.widths.size(); ++k) {
    Tensor& weight = map.arrays["weight_" + std::to_string(k)];
    std::vector<Index> next;
    for (Index i = 0; i < weight.shape[0]; ++i) {
      const bool last = k == program.widths.size();
      next.push_back(last ? order[static_cast<std::size_t>(i % dim)] : (i * 5) % dim);
    }
    mask_weight(weight, next, degrees);
    degrees = next;
  }
  return map;
}

LayerRecord spline_map(const std::string& type, Index bins, const std::string& tails,
                       const std::string& parameterization) {
  return {type,
          {{"tails", tails}, {"parameterization", parameterization}},
          {{"bins", static_cast<double>(bins)}, {"bound", 2.0}},
          {}};
}

LayerRecord random_linear(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  const double sign = numbers.symmetric(1.0) < 0.0 ? -1.0 : 1.0;
  LayerRecord layer{"linear", {}, {}, {}};
  Tensor weight = random_tensor(numbers, {dim, dim}, 0.5 / static_cast<double>(dim));
  for (Index i = 0; i < dim; ++i) {
    weight.values[static_cast<std::size_t>(i * dim + i)] = i % 2 == 0 ? sign : -1.5 * sign;
  }
  layer.arrays["weight"] = weight;
  layer.arrays["bias"] = random_tensor(numbers, {dim}, 1.0);
  return layer;
}

LayerRecord squeeze_layer(const std::vector<Index>& image) {
  return {"squeeze", {}, {}, {{"image", {{3}, {image.begin(), image.end()}}}}};
}

namespace {

/// Number of channels in a half of an image's mask: the half of zeros or of ones.
Index channels_of(const std::vector<Index>& image, const std::vector<int>& mask, int half) {
  const auto pixels = static_cast<std::size_t>(image[1] * image[2]);
  Index count = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(image[0]); ++c) {
    const auto begin = mask.begin() + static_cast<std::ptrdiff_t>(c * pixels);
    count += std::count(begin, begin + static_cast<std::ptrdiff_t>(pixels), half) > 0 ? 1 : 0;
  }
  return count;
}

}  // namespace

LayerRecord random_convolutional_coupling_of(LayerRecord map, const std::vector<Index>& image,
                                             const std::vector<int>& mask, const Program& program,
                                             const std::vector<std::pair<Index, Index>>& kernels,
                                             Index parameters, std::uint64_t seed) {
  const auto dim = static_cast<Index>(mask.size());
  map.arrays["mask"] = {{dim}, std::vector<double>(mask.begin(), mask.end())};
  map.arrays["image"] = {{3}, {image.begin(), image.end()}};
  add_program(map, program, channels_of(image, mask, 1), parameters * channels_of(image, mask, 0),
              seed);
  NumberStream numbers(seed + 1);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    Tensor& weight = map.arrays.at("weight_" + std::to_string(k));
    const auto [rows, columns] = kernels[k];
    const double spread = *std::max_element(weight.values.begin(), weight.values.end());
    weight = random_tensor(numbers, {weight.shape[0], weight.shape[1], rows, columns},
                           spread / std::sqrt(static_cast<double>(rows * columns)));
  }
  return map;
}

LayerRecord per_pixel(LayerRecord layer, Index pixels) {
  layer.numbers["pixels"] = static_cast<double>(pixels);
  return layer;
}

LayerRecord on_first(LayerRecord layer, Index coordinates) {
  layer.numbers["coordinates"] = static_cast<double>(coordinates);
  return layer;
}

LayerRecord inverted(LayerRecord layer) {
  layer.texts["direction"] = "inverse";
  return layer;
}

LayerRecord random_diagonal_affine(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  Tensor scale = constant_tensor(dim, 1.0);
  for (double& value : scale.values) {
    value += static_cast<double>(static_cast<float>(numbers.symmetric(0.5)));
    value = static_cast<double>(static_cast<float>(numbers.below(2) == 0 ? value : -value));
  }
  return {
      "diagonal_affine", {}, {}, {{"scale", scale}, {"shift", random_tensor(numbers, {dim}, 1.0)}}};
}

LayerRecord constant_diagonal_affine(Index dim, double scale, double shift) {
  return {"diagonal_affine",
          {},
          {},
          {{"scale", constant_tensor(dim, scale)}, {"shift", constant_tensor(dim, shift)}}};
}

LayerRecord random_permutation(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  Tensor indices = constant_tensor(dim, 0.0);
  std::iota(indices.values.begin(), indices.values.end(), 0.0);
  for (Index i = dim - 1; i > 0; --i) {
    std::swap(indices.values[static_cast<std::size_t>(i)],
              indices.values[static_cast<std::size_t>(numbers.below(i + 1))]);
  }
  return {"permutation", {}, {}, {{"indices", indices}}};
}

LayerRecord random_lu_linear(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  const double scale = 0.7 / std::sqrt(static_cast<double>(dim));
  Tensor lower = random_tensor(numbers, {dim, dim}, scale);
  Tensor upper = random_tensor(numbers, {dim, dim}, scale);
  for (Index i = 0; i < dim; ++i) {
    for (Index j = 0; j < dim; ++j) {
      const auto place = static_cast<std::size_t>(i * dim + j);
      if (j >= i) lower.values[place] = j == i ? 1.0 : 0.0;
      if (j < i) upper.values[place] = 0.0;
      if (j == i) upper.values[place] += numbers.below(2) == 0 ? 1.0 : -1.0;
    }
  }
  for (double& value : upper.values) value = static_cast<double>(static_cast<float>(value));
  return {"lu_linear",
          {},
          {},
          {{"lower", lower}, {"upper", upper}, {"bias", random_tensor(numbers, {dim}, 1.0)}}};
}

LayerRecord random_householder(Index dim, Index count, std::uint64_t seed) {
  NumberStream numbers(seed);
  return {"householder", {}, {}, {{"vectors", random_tensor(numbers, {count, dim}, 1.0)}}};
}

LayerRecord random_planar(Index dim, const std::string& activation, double overlap,
                          std::uint64_t seed) {
  NumberStream numbers(seed);
  const Tensor w = random_tensor(numbers, {dim}, 1.0);
  double square = 0.0;
  for (const double value : w.values) square += value * value;
  Tensor u = w;
  for (double& value : u.values) {
    value = static_cast<double>(static_cast<float>(value * overlap / square));
  }
  LayerRecord layer{"planar", {{"activation", activation}}, {{"b", 0.25}}, {{"u", u}, {"w", w}}};
  if (activation == "leaky_relu") layer.numbers["negative_slope"] = 0.125;
  return layer;
}

LayerRecord random_radial(Index dim, double strength, std::uint64_t seed) {
  NumberStream numbers(seed);
  return {"radial",
          {},
          {{"alpha", 0.75}, {"beta", 0.75 * strength}},
          {{"centre", random_tensor(numbers, {dim}, 1.0)}}};
}

namespace {

/// A random upper triangular matrix with this diagonal.
Tensor random_upper(NumberStream& numbers, Index units, double diagonal) {
  Tensor upper = random_tensor(numbers, {units, units}, 0.5 / static_cast<double>(units));
  for (Index i = 0; i < units; ++i) {
    for (Index j = 0; j <= i; ++j) {
      upper.values[static_cast<std::size_t>(i * units + j)] = i == j ? diagonal : 0.0;
    }
  }
  return upper;
}

}  // namespace

LayerRecord random_sylvester(Index dim, Index units, double overlap, std::uint64_t seed) {
  NumberStream numbers(seed);
  return {"sylvester",
          {},
          {},
          {{"vectors", random_tensor(numbers, {units, dim}, 1.0)},
           {"r", random_upper(numbers, units, 2.0 * overlap)},
           {"s", random_upper(numbers, units, 0.5)},
           {"b", random_tensor(numbers, {units}, 0.5)}}};
}

LayerRecord random_residual(Index dim, const Program& network, double constant,
                            std::uint64_t seed) {
  LayerRecord layer{"residual", {}, {}, {}};
  add_program(layer, network, dim, dim, seed);
  for (std::size_t k = 0; k <= network.widths.size(); ++k) {
    Tensor& weight = layer.arrays.at("weight_" + std::to_string(k));
    // A random matrix of entries of variance 1 / cols has about this norm.
    const double norm = 1.0 + std::sqrt(static_cast<double>(weight.shape[0]) /
                                        static_cast<double>(weight.shape[1]));
    for (double& value : weight.values) {
      value = static_cast<double>(static_cast<float>(value * constant / norm));
    }
  }
  return layer;
}

LayerRecord random_wrap(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  Tensor circular = constant_tensor(dim, 1.0);
  for (Index i = 1; i < dim; i += 2) circular.values[static_cast<std::size_t>(i)] = 0.0;
  return {"wrap",
          {},
          {},
          {{"circular", circular},
           {"bound", constant_tensor(dim, 2.0)},
           {"shift", random_tensor(numbers, {dim}, 1.0)}}};
}

LayerRecord sigmoid_layer() {
  return {"sigmoid", {}, {}, {}};
}

LayerRecord logit_layer() {
  return {"logit", {}, {}, {}};
}

LayerRecord leaky_relu_layer(double slope) {
  return {"leaky_relu", {}, {{"slope", slope}}, {}};
}

FlowRecord flow_of(Index dim, std::vector<LayerRecord> layers) {
  FlowRecord record;
  record.dim = dim;
  record.layers = std::move(layers);
  return record;
}

FlowRecord shear_flow(double a) {
  LayerRecord layer{"affine_coupling", {{"activation", "tanh"}}, {}, {}};
  layer.arrays["mask"] = {{2}, {1.0, 0.0}};
  layer.arrays["weight_0"] = {{2, 1}, {a, 0.0}};  // log-scale a z1, shift 0
  layer.arrays["bias_0"] = {{2}, {0.0, 0.0}};
  return flow_of(2, {layer});
}

FlowRecord diagonal_flow(Index dim, double scale, double shift) {
  return flow_of(dim, {constant_diagonal_affine(dim, scale, shift)});
}

FlowRecord random_real_nvp(Index dim, Index layers, const ConditionerShape& shape,
                           std::uint64_t seed) {
  std::vector<LayerRecord> couplings;
  for (Index k = 0; k < layers; ++k) {
    couplings.push_back(random_coupling(alternating_mask(dim, k % 2), shape,
                                        1000 * seed + static_cast<std::uint64_t>(k)));
  }
  return flow_of(dim, std::move(couplings));
}

FlowRecord smooth_flow(Index dim, std::uint64_t seed) {
  const ConditionerShape smooth{{12, 9}, "silu", 0.4};
  const ConditionerShape saturating{{11}, "tanh", 0.4};
  const std::uint64_t base = 1000 * seed;
  return flow_of(dim, {
                          random_coupling(alternating_mask(dim, 0), smooth, base + 1),
                          random_permutation(dim, base + 2),
                          random_coupling(alternating_mask(dim, 1), saturating, base + 3),
                          random_diagonal_affine(dim, base + 4),
                          // Into the unit interval, away from its ends, and back.
                          constant_diagonal_affine(dim, 0.5, 0.0),
                          sigmoid_layer(),
                          constant_diagonal_affine(dim, 0.75, 0.125),
                          logit_layer(),
                          random_permutation(dim, base + 5),
                          random_coupling(alternating_mask(dim, 0), saturating, base + 6),
                      });
}

namespace {

/// A map that is a network of u and a signal of two numbers. @param rising  no weight is negative
LayerRecord network_map(LayerRecord map, const std::vector<Index>& widths, bool rising,
                        std::uint64_t seed) {
  NumberStream numbers(seed);
  Index inputs = 3;
  for (std::size_t k = 0; k < widths.size(); ++k) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(inputs));
    Tensor weight = random_tensor(numbers, {widths[k], inputs}, scale);
    for (double& value : weight.values) {
      value = rising ? std::abs(value) + 0.5 * scale : 0.5 * value;
      value = static_cast<double>(static_cast<float>(value));
    }
    map.arrays["curve_weight_" + std::to_string(k)] = weight;
    map.arrays["curve_bias_" + std::to_string(k)] = random_tensor(numbers, {widths[k]}, 0.25);
    inputs = widths[k];
  }
  // An integrand's logarithm bends where the network's output is zero: far from its values.
  if (!rising) map.arrays.at("curve_bias_" + std::to_string(widths.size() - 1)).values[0] = 2.5;
  return map;
}

}  // namespace

std::vector<std::pair<LayerRecord, Index>> curve_maps(const std::string& kind) {
  return {
      {{"bernstein_" + kind, {}, {{"parameters", 3.0}, {"bound", 2.0}}, {}}, 3},
      {{"cubic_spline_" + kind,
        {},
        {{"bins", 3.0},
         {"bound", 2.0},
         {"centre", 0.25},
         {"min_width", 0.25},
         {"min_height", 0.25}},
        {}},
       8},
      {{"gaussianization_" + kind, {}, {{"components", 2.0}}, {}}, 4},
      {network_map({"integrated_network_" + kind,
                    {{"curve_activation", "silu"}},
                    {{"points", 12.0}, {"bound", 0.25}},
                    {}},
                   {4, 1}, false, 91),
       3},
      {{"linear_spline_" + kind, {}, {{"bins", 4.0}, {"bound", 2.0}, {"centre", 0.25}}, {}}, 4},
      {network_map({"monotone_network_" + kind, {{"curve_activation", "two_way_elu"}}, {}, {}},
                   {5, 4, 1}, true, 92),
       2},
      {{"quadratic_spline_" + kind,
        {{"tails", kind == "coupling" ? "linear" : "free"}},
        {{"bins", 3.0}, {"bound", 2.0}},
        {}},
       kind == "coupling" ? 5 : 7},
      {{"rational_linear_" + kind, {}, {{"bins", 3.0}, {"bound", 2.0}, {"tail_slope", 0.75}}, {}},
       11},
      {{"sum_of_squares_" + kind, {}, {{"polynomials", 2.0}, {"degree", 2.0}, {"bound", 4.0}}, {}},
       7},
  };
}

namespace {

LayerRecord scaled_by(Index dim, double scale) {
  return {"diagonal_affine",
          {},
          {},
          {{"scale", constant_tensor(dim, scale)}, {"shift", constant_tensor(dim, 0.0)}}};
}

/// Functions of each coordinate and their inverses, with a scale between: together not far from the
/// identity.
std::vector<LayerRecord> functions_and_back(Index dim) {
  const LayerRecord exponential{"exp", {}, {}, {}};
  const LayerRecord tangent{"tanh", {}, {}, {}};
  return {exponential,
          scaled_by(dim, 2.0),
          inverted(exponential),
          scaled_by(dim, 0.125),
          tangent,
          scaled_by(dim, 0.75),
          inverted(tangent),
          scaled_by(dim, 8.0),
          {"log_tanh", {}, {{"cut_point", 1.25}}, {}},
          inverted({"log_tanh", {}, {{"cut_point", 1.5}}, {}})};
}

}  // namespace

FlowRecord curved_flow(Index dim, std::uint64_t seed) {
  const Program masked{"linear silu linear", {8}, 0.1};
  const std::uint64_t base = 1000 * seed;
  const LayerRecord bounded{"softclip", {}, {{"bound", 6.0}}, {}};
  std::vector<LayerRecord> layers;
  std::uint64_t k = 0;
  for (const auto& [map, parameters] : curve_maps("coupling")) {
    if (map.type.starts_with("gaussianization")) layers.push_back(bounded);
    const std::vector<int> mask = alternating_mask(dim, static_cast<Index>(k % 2));
    layers.push_back(random_coupling_of(map, mask, masked, parameters, base + k));
    ++k;
  }
  for (const auto& [map, parameters] : curve_maps("autoregressive")) {
    const bool bounds = map.type.starts_with("gaussianization");
    const bool slow = bounds || map.type.starts_with("integrated");  // the other way round
    if (bounds) layers.push_back(bounded);
    const LayerRecord layer = random_autoregressive_of(map, dim, masked, parameters, base + k);
    layers.push_back(slow ? layer : inverted(layer));
    ++k;
  }
  for (const LayerRecord& layer : functions_and_back(dim)) layers.push_back(layer);
  return flow_of(dim, std::move(layers));
}

FlowRecord rich_flow(Index dim, std::uint64_t seed) {
  const Program residual{"linear ( silu linear silu linear ) linear", {8, 6, 8}, 0.2};
  const Program masked{"linear silu linear tanh linear", {12, 12}, 0.15};
  const std::uint64_t base = 1000 * seed + 100;
  FlowRecord flow = smooth_flow(dim, seed);
  const std::vector<LayerRecord> more = {
      random_lu_linear(dim, base + 6),
      random_householder(dim, 3, base + 7),
      random_planar(dim, "tanh", 0.75, base + 8),
      random_radial(dim, 0.5, base + 9),
      random_sylvester(dim, std::min<Index>(dim, 2), 0.5, base + 10),
      random_residual(dim, {"linear silu linear tanh linear", {7, 9}, 1.0}, 0.9, base + 12),
      leaky_relu_layer(0.75),
      random_coupling_of({"additive_coupling", {}, {}, {}}, alternating_mask(dim, 0), residual, 1,
                         base + 1),
      random_autoregressive_of({"affine_autoregressive", {}, {}, {}}, dim, masked, 2, base + 2),
      inverted(random_autoregressive_of({"additive_autoregressive", {}, {}, {}}, dim, masked, 1,
                                        base + 3)),
      random_coupling_of(spline_map("spline_coupling", 4, "linear", "softmax"),
                         alternating_mask(dim, 1), residual, 11, base + 4),
      inverted(random_autoregressive_of(
          spline_map("spline_autoregressive", 3, "linear", "softclip"), dim, masked, 8, base + 5)),
  };
  flow.layers.insert(flow.layers.end(), more.begin(), more.end());
  flow.layers.push_back(random_linear(dim, base + 11));
  LayerRecord turn = random_wrap(dim, base + 14);
  for (double& bound : turn.arrays["bound"].values) bound = 64.0;
  flow.layers.push_back(turn);
  if (dim < 4) return flow;
  const std::vector<Index> image = {1, 2, 2};
  flow.layers.push_back(
      on_first(random_convolutional_coupling_of({"affine_coupling", {}, {}, {}}, image,
                                                {1, 0, 0, 1}, {"linear silu linear", {3}, 0.2},
                                                {{3, 3}, {1, 3}}, 2, base + 12),
               4));
  flow.layers.push_back(on_first(squeeze_layer(image), 4));
  flow.layers.push_back(on_first(per_pixel(random_lu_linear(2, base + 13), 2), 4));
  return flow;
}

Tensor& array_of(FlowRecord& record, std::size_t layer, const std::string& name) {
  return record.layers.at(layer).arrays.at(name);
}

std::vector<LayerRecord> random_bases(Index dim, std::uint64_t seed) {
  NumberStream numbers(seed);
  const auto between = [&](std::vector<Index> shape, double low, double high) {
    Index count = 1;
    for (const Index size : shape) count *= size;
    Tensor tensor{std::move(shape), {}};
    for (Index i = 0; i < count; ++i) {
      const double value = 0.5 * (low + high) + numbers.symmetric(0.5 * (high - low));
      // This is exact in float; the middle of an interval may not be.
      tensor.values.push_back(static_cast<double>(static_cast<float>(value)));
    }
    return tensor;
  };
  constexpr Index kComponents = 3;
  LayerRecord mixture{"gaussian_mixture", {}, {}, {}};
  mixture.arrays["weights"] = {{kComponents}, {0.5, 0.125, 0.375}};
  mixture.arrays["loc"] = between({kComponents, dim}, -1.5, 1.5);
  mixture.arrays["scale"] = between({kComponents, dim}, 0.25, 1.0);
  LayerRecord diagonal{"diagonal_normal", {}, {}, {}};
  diagonal.arrays["loc"] = between({dim}, -1.0, 1.0);
  diagonal.arrays["scale"] = between({dim}, 0.5, 1.5);
  LayerRecord box{"uniform_box", {}, {}, {}};
  box.arrays["low"] = between({dim}, -2.0, -1.0);
  box.arrays["high"] = between({dim}, 0.5, 2.0);
  Tensor circular{{dim}, {}};
  for (Index i = 0; i < dim; ++i) circular.values.push_back(i % 2 == 0 ? 1.0 : 0.0);
  LayerRecord circles = box;
  circles.arrays["circular"] = circular;
  LayerRecord mixed = diagonal;
  mixed.type = "circular_normal";
  mixed.arrays["circular"] = circular;
  for (Index i = 0; i < dim; i += 2) {
    mixed.arrays["scale"].values[static_cast<std::size_t>(i)] = 4.0 + 0.5 * static_cast<double>(i);
  }
  return {mixture, diagonal, box, circles, mixed};
}

}  // namespace flotilla::test
