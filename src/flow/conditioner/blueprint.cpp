// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/blueprint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "flow/conditioner/activation.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {
namespace {

using Kind = Operation::Kind;

std::vector<Index> counting(Index count) {
  std::vector<Index> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), Index{0});
  return numbers;
}

Operation operation_of(const LayerReader& reader, std::string_view word) {
  if (word == "linear") return {Kind::kLinear};
  if (word == "affine") return {Kind::kAffine};
  if (word == "sine") return {Kind::kSine};
  if (word == "layer_norm") return {Kind::kLayerNorm};
  if (word == "(") return {Kind::kRemember};
  if (word == ")") return {Kind::kAdd};
  return {Kind::kActivation, activation_named(reader, "word of 'network'", word)};
}

/// The program of a plain multilayer perceptron. Its arrays and its one activation determine it.
std::vector<Operation> plain_program(const LayerReader& reader) {
  const Activation activation = activation_named(reader, "activation", reader.text("activation"));
  std::vector<Operation> program = {{Kind::kLinear}};
  for (int k = 1; reader.has_array(fmt::format("weight_{}", k)); ++k) {
    program.push_back({Kind::kActivation, activation});
    program.push_back({Kind::kLinear});
  }
  return program;
}

std::vector<Operation> written_program(const LayerReader& reader) {
  const std::string text = reader.text("network");
  std::vector<Operation> program;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    program.push_back(operation_of(reader, std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return program;
}

/// Numbers the arrays. Refuses a program that cannot run.
void number(const LayerReader& reader, Blueprint& blueprint) {
  bool open = false;
  std::size_t linears = 0;
  std::size_t norms = 0;
  std::size_t sines = 0;
  for (Operation& operation : blueprint.program) {
    if (operation.kind == Kind::kLinear) operation.array = linears++;
    if (operation.kind == Kind::kSine) operation.array = sines++;
    if (operation.kind == Kind::kAffine || operation.kind == Kind::kLayerNorm) {
      operation.array = norms++;
    }
    if (operation.kind == Kind::kRemember && std::exchange(open, true)) {
      reader.fail("text 'network' has a ( inside another: close the first one before it");
    }
    if (operation.kind == Kind::kAdd && !std::exchange(open, false)) {
      reader.fail("text 'network' has a ) without its (");
    }
  }
  if (blueprint.program.front().kind != Kind::kLinear) {
    reader.fail("text 'network' should begin with linear");
  }
  if (open) reader.fail("text 'network' has a ( without its )");
  const auto ends_it = std::find_if(
      blueprint.program.rbegin(), blueprint.program.rend(), [](const Operation& operation) {
        return operation.kind == Kind::kLinear || operation.kind == Kind::kAdd;
      });
  if (ends_it->kind == Kind::kAdd) {
    reader.fail("text 'network' should have a linear map after its last residual connection");
  }
}

void read_norm(const LayerReader& reader, std::size_t k, Index width, Blueprint& blueprint) {
  const std::string scale = fmt::format("norm_scale_{}", k);
  const std::string shift = fmt::format("norm_shift_{}", k);
  blueprint.norms.push_back({reader.array(scale, {width}), reader.array(shift, {width})});
  blueprint.entry_names.insert(blueprint.entry_names.end(), {scale, shift});
}

void read_sine(const LayerReader& reader, std::size_t k, Index width, Blueprint& blueprint) {
  const std::string name = fmt::format("sine_{}", k);
  const std::vector<double>& chosen = reader.array(name, {width});
  for (const double unit : chosen) {
    if (unit != 0.0 && unit != 1.0) {
      reader.fail(fmt::format("array '{}' should hold zeros and ones but holds {}", name, unit));
    }
  }
  blueprint.sines.push_back(chosen);
  blueprint.entry_names.push_back(name);
}

void expect_kernel(const LayerReader& reader, const std::string& weight, const Image& image,
                   const std::vector<Index>& shape) {
  if (shape.size() == 4 && shape[2] % 2 == 1 && shape[3] % 2 == 1) {
    // A convolution keeps a table of the kernel positions that meet the image, for all pixels.
    const double meetings = static_cast<double>(image.pixels()) *
                            static_cast<double>(std::min(shape[2], image.rows)) *
                            static_cast<double>(std::min(shape[3], image.columns));
    constexpr double kMostMeetings = 1 << 26;
    if (meetings <= kMostMeetings) return;
    reader.fail(fmt::format("array '{}' has a kernel of {} x {}, too large for an image of {} x {}",
                            weight, shape[2], shape[3], image.rows, image.columns));
  }
  reader.fail(fmt::format(
      "array '{}' should have shape [outputs x inputs x rows x columns], the kernel's rows and "
      "columns odd, but has [{}]",
      weight, fmt::join(shape, " x ")));
}

void read_linear(const LayerReader& reader, std::size_t k, bool last, Index width, Index outputs,
                 Blueprint& blueprint) {
  const std::string weight = fmt::format("weight_{}", k);
  const std::string bias = fmt::format("bias_{}", k);
  const std::vector<Index>& shape = reader.shape(weight);
  LinearArrays linear;
  linear.rows = last || shape.empty() ? outputs : shape[0];
  linear.cols = width;
  std::vector<Index> expected = {linear.rows, linear.cols};
  if (blueprint.image.channels > 0) {
    expect_kernel(reader, weight, blueprint.image, shape);
    linear.kernel_rows = shape[2];
    linear.kernel_columns = shape[3];
    expected.insert(expected.end(), {linear.kernel_rows, linear.kernel_columns});
  }
  linear.weight = reader.array(weight, expected);
  linear.bias = reader.array(bias, {linear.rows});
  blueprint.linears.push_back(std::move(linear));
  blueprint.entry_names.insert(blueprint.entry_names.end(), {weight, bias});
}

void read_arrays(const LayerReader& reader, Index inputs, Index outputs, Blueprint& blueprint) {
  const auto linears = static_cast<std::size_t>(
      std::count_if(blueprint.program.begin(), blueprint.program.end(),
                    [](const Operation& operation) { return operation.kind == Kind::kLinear; }));
  Index width = inputs;
  Index kept = 0;
  for (const Operation& operation : blueprint.program) {
    switch (operation.kind) {
      case Kind::kLinear:
        read_linear(reader, operation.array, operation.array + 1 == linears, width, outputs,
                    blueprint);
        width = blueprint.linears.back().rows;
        break;
      case Kind::kAffine:
      case Kind::kLayerNorm:
        read_norm(reader, operation.array, width, blueprint);
        break;
      case Kind::kSine:
        read_sine(reader, operation.array, width, blueprint);
        break;
      case Kind::kRemember:
        kept = width;
        break;
      case Kind::kAdd:
        if (kept == width) break;
        reader.fail(fmt::format(
            "a residual connection should join equal widths but joins {} and {}", kept, width));
      case Kind::kActivation:
        break;
    }
  }
}

bool has(const Blueprint& blueprint, Kind kind) {
  return std::any_of(blueprint.program.begin(), blueprint.program.end(),
                     [&](const Operation& operation) { return operation.kind == kind; });
}

bool has(const Blueprint& blueprint, Activation activation) {
  return std::any_of(
      blueprint.program.begin(), blueprint.program.end(), [&](const Operation& operation) {
        return operation.kind == Kind::kActivation && operation.activation == activation;
      });
}

void read_numbers(const LayerReader& reader, Blueprint& blueprint) {
  const auto read = [&](bool wanted, const char* name, double fallback) {
    if (wanted) blueprint.entry_names.emplace_back(name);
    return wanted ? reader.number_or(name, fallback) : fallback;
  };
  blueprint.slope = read(has(blueprint, Activation::kLeakyRelu), "negative_slope", 0.01);
  blueprint.alpha = read(has(blueprint, Activation::kElu), "alpha", 1.0);
  blueprint.epsilon = read(has(blueprint, Kind::kLayerNorm), "epsilon", 1e-5);
  if (blueprint.epsilon <= 0.0) {
    reader.fail(fmt::format("number 'epsilon' should be positive but is {}", blueprint.epsilon));
  }
}

std::vector<double> permuted(const std::vector<double>& values, const std::vector<Index>& order) {
  std::vector<double> result;
  result.reserve(values.size());
  for (const Index i : order) result.push_back(values[static_cast<std::size_t>(i)]);
  return result;
}

/// Moves row rows[j] to row j.
void permute_rows(LinearArrays& linear, const std::vector<Index>& rows) {
  std::vector<double> weight;
  weight.reserve(linear.weight.size());
  for (const Index i : rows) {
    const auto first = linear.weight.begin() + i * linear.cols;
    weight.insert(weight.end(), first, first + linear.cols);
  }
  linear.weight = std::move(weight);
  linear.bias = permuted(linear.bias, rows);
}

void permute_cols(LinearArrays& linear, const std::vector<Index>& cols) {
  linear.weight = transposed(linear.rows, linear.cols, linear.weight);
  LinearArrays turned{linear.cols,
                      linear.rows,
                      1,
                      1,
                      std::move(linear.weight),
                      std::vector<double>(static_cast<std::size_t>(linear.cols))};
  permute_rows(turned, cols);
  linear.weight = transposed(linear.cols, linear.rows, turned.weight);
}

/// Makes row rows[j] of linear map k row j. All that belongs to the unit moves with it.
void permute_units(Blueprint& blueprint, std::size_t k, const std::vector<Index>& rows) {
  permute_rows(blueprint.linears[k], rows);
  for_each_operation(blueprint, [&](const Operation& operation, std::size_t current) {
    if (current != k) return;
    if (operation.kind == Kind::kSine) {
      std::vector<double>& chosen = blueprint.sines[operation.array];
      chosen = permuted(chosen, rows);
    }
    const bool norm = operation.kind == Kind::kAffine || operation.kind == Kind::kLayerNorm;
    if (!norm) return;
    NormArrays& arrays = blueprint.norms[operation.array];
    arrays = {permuted(arrays.scale, rows), permuted(arrays.shift, rows)};
  });
  if (k + 1 < blueprint.linears.size()) permute_cols(blueprint.linears[k + 1], rows);
}

/// The degree of a unit: how many inputs, in their order, must be known to compute it.
using Degrees = std::vector<Index>;

void raise(Degrees& degrees, const LinearArrays& linear, const Degrees& inputs) {
  for (Index i = 0; i < linear.rows; ++i) {
    Index& degree = degrees[static_cast<std::size_t>(i)];
    for (Index j = 0; j < linear.cols; ++j) {
      if (linear.weight[static_cast<std::size_t>(i * linear.cols + j)] == 0.0) continue;
      degree = std::max(degree, inputs[static_cast<std::size_t>(j)]);
    }
  }
}

/// The degrees of the units of every linear map. Units joined by a residual connection share one.
std::vector<Degrees> degrees_of(const Blueprint& blueprint) {
  Degrees inputs(static_cast<std::size_t>(blueprint.linears.front().cols));
  std::iota(inputs.begin(), inputs.end(), Index{1});
  std::vector<Degrees> degrees;
  for (const LinearArrays& linear : blueprint.linears) {
    degrees.emplace_back(static_cast<std::size_t>(linear.rows), 0);
  }
  // A connection can raise degrees before it, so repeat until nothing changes.
  for (std::vector<Degrees> before; before != degrees;) {
    before = degrees;
    std::size_t kept = 0;
    for_each_operation(blueprint, [&](const Operation& operation, std::size_t k) {
      if (operation.kind == Kind::kLinear) {
        raise(degrees[k], blueprint.linears[k], k == 0 ? inputs : degrees[k - 1]);
      } else if (operation.kind == Kind::kRemember) {
        kept = k;
      } else if (operation.kind == Kind::kAdd) {
        for (std::size_t i = 0; i < degrees[k].size(); ++i) {
          degrees[k][i] = degrees[kept][i] = std::max(degrees[k][i], degrees[kept][i]);
        }
      }
    });
  }
  return degrees;
}

void expect_autoregressive(const LayerReader& reader, const Degrees& outputs, Index parameters) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Index coordinate = static_cast<Index>(i) / parameters;
    if (outputs[i] <= coordinate) continue;
    reader.fail(fmt::format(
        "the conditioner is not autoregressive: a parameter of the coordinate of order {} depends "
        "on the one of order {}",
        coordinate, outputs[i] - 1));
  }
}

/// first[d] is the first unit of degree d or more, for d = 0 .. slices + 1. @pre degrees ascend
std::vector<Index> first_of_degree(const Degrees& degrees, Index slices) {
  std::vector<Index> first;
  for (Index d = 0; d <= slices + 1; ++d) {
    first.push_back(std::lower_bound(degrees.begin(), degrees.end(), d) - degrees.begin());
  }
  return first;
}

/// Sorts the hidden units by degree. Then a slice computes contiguous rows and reads contiguous
/// rows.
void sort_by_degree(const LayerReader& reader, Index slices, Blueprint& blueprint) {
  if (has(blueprint, Kind::kLayerNorm)) {
    reader.fail("an autoregressive conditioner cannot have layer_norm: it mixes all units");
  }
  if (blueprint.program.back().kind != Kind::kLinear) {
    reader.fail("text 'network' of an autoregressive conditioner should end with linear");
  }
  std::vector<Degrees> degrees = degrees_of(blueprint);
  const Index parameters = blueprint.linears.back().rows / slices;
  expect_autoregressive(reader, degrees.back(), parameters);
  for (std::size_t i = 0; i < degrees.back().size(); ++i) {
    degrees.back()[i] = static_cast<Index>(i) / parameters;
  }
  Degrees inputs(static_cast<std::size_t>(blueprint.linears.front().cols));
  std::iota(inputs.begin(), inputs.end(), Index{1});
  blueprint.first_of_degree = {first_of_degree(inputs, slices)};
  for (std::size_t k = 0; k < blueprint.linears.size(); ++k) {
    std::vector<Index> order(degrees[k].size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return degrees[k][static_cast<std::size_t>(a)] < degrees[k][static_cast<std::size_t>(b)];
    });
    permute_units(blueprint, k, order);
    std::sort(degrees[k].begin(), degrees[k].end());
    blueprint.first_of_degree.push_back(first_of_degree(degrees[k], slices));
  }
}

/// Reads `image`. From here on the conditioner's widths are channels.
void read_image_wiring(const LayerReader& reader, const Wiring& wiring, Blueprint& blueprint) {
  if (wiring.kept.empty()) {
    reader.fail("array 'mask' keeps nothing: a convolutional conditioner would see no image");
  }
  if (has(blueprint, Kind::kLayerNorm)) {
    reader.fail("a convolutional conditioner cannot have layer_norm: it mixes all units");
  }
  if (has(blueprint, Kind::kSine)) {
    reader.fail("a convolutional conditioner cannot have sine: images have no circles");
  }
  blueprint.entry_names.emplace_back("image");
  blueprint.image = read_image(reader);
  const auto parameters = static_cast<Index>(wiring.outputs.size() / wiring.moved.size());
  blueprint.image_inputs = half_of(reader, blueprint.image, wiring.kept).rows(1);
  blueprint.image_outputs = half_of(reader, blueprint.image, wiring.moved).rows(parameters);
}

}  // namespace

Wiring Wiring::plain(Index inputs, Index outputs) {
  return {counting(inputs), counting(outputs)};
}

Blueprint read_blueprint(const LayerReader& reader, const Wiring& wiring) {
  Blueprint blueprint;
  const bool written = reader.has_text("network");
  blueprint.entry_names = {written ? "network" : "activation"};
  blueprint.program = written ? written_program(reader) : plain_program(reader);
  number(reader, blueprint);
  if (wiring.on_image) {
    read_image_wiring(reader, wiring, blueprint);
    read_arrays(reader, static_cast<Index>(blueprint.image_inputs.channel.size()),
                static_cast<Index>(blueprint.image_outputs.channel.size()), blueprint);
    read_numbers(reader, blueprint);
    return blueprint;
  }
  read_arrays(reader, static_cast<Index>(wiring.inputs.size()),
              static_cast<Index>(wiring.outputs.size()), blueprint);
  read_numbers(reader, blueprint);
  permute_cols(blueprint.linears.front(), wiring.inputs);
  permute_units(blueprint, blueprint.linears.size() - 1, wiring.outputs);
  if (wiring.slices > 0) sort_by_degree(reader, wiring.slices, blueprint);
  return blueprint;
}

}  // namespace flotilla
