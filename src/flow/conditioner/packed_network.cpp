// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/packed_network.hpp"

#include <utility>

namespace flotilla {
namespace {

using Kind = Operation::Kind;

/// Rows or columns [first, end) of a matrix.
struct Range {
  Index first = 0;
  Index end = 0;
  Index size() const { return end - first; }
};

/// The block [rows x cols] of a matrix in C order.
std::vector<double> block(const std::vector<double>& values, Index stride, Range rows, Range cols) {
  std::vector<double> result;
  for (Index i = rows.first; i < rows.end; ++i) {
    const auto row = values.begin() + i * stride;
    result.insert(result.end(), row + cols.first, row + cols.end);
  }
  return result;
}

/// Repeats values [channel] for every unit of a convolution, in the order of the rows.
template <typename T>
std::vector<T> spread(const std::vector<double>& values, const PixelRows& rows) {
  std::vector<T> result;
  for (std::size_t c = 0; c < values.size(); ++c) {
    for (const Index pixel : rows.pixel) {
      if (pixel == PixelRows::kAbsent) continue;
      const auto row = static_cast<std::size_t>(rows.channel[c] + pixel);
      if (result.size() <= row) result.resize(row + 1);
      result[row] = static_cast<T>(values[c]);
    }
  }
  return result;
}

/// The kernel that takes cotangents back: outputs and inputs swapped, turned by half a circle.
std::vector<double> turned(const LinearArrays& linear) {
  const Index positions = linear.kernel_rows * linear.kernel_columns;
  std::vector<double> result(linear.weight.size());
  for (Index o = 0; o < linear.rows; ++o) {
    for (Index i = 0; i < linear.cols; ++i) {
      for (Index p = 0; p < positions; ++p) {
        result[static_cast<std::size_t>((i * linear.rows + o) * positions + positions - 1 - p)] =
            linear.weight[static_cast<std::size_t>((o * linear.cols + i) * positions + p)];
      }
    }
  }
  return result;
}

/// Where the values of linear map k's outputs stand; k = -1 means the inputs.
PixelRows rows_of_map(const Blueprint& blueprint, Index k) {
  if (k < 0) return blueprint.image_inputs;
  if (k + 1 == static_cast<Index>(blueprint.linears.size())) return blueprint.image_outputs;
  return PixelRows::by_pixel(blueprint.linears[static_cast<std::size_t>(k)].rows,
                             blueprint.image.pixels());
}

template <typename T>
PackedLinear<T> pack_convolution(const Blueprint& blueprint, std::size_t k) {
  const LinearArrays& linear = blueprint.linears[k];
  const PixelRows in = rows_of_map(blueprint, static_cast<Index>(k) - 1);
  const PixelRows out = rows_of_map(blueprint, static_cast<Index>(k));
  const typename PackedConvolution<T>::Shape shape{linear.rows,          linear.cols,
                                                   linear.kernel_rows,   linear.kernel_columns,
                                                   blueprint.image.rows, blueprint.image.columns};
  typename PackedConvolution<T>::Shape back = shape;
  std::swap(back.outputs, back.inputs);
  PackedLinear<T> result;
  result.whole.convolution = PackedConvolution<T>(shape, linear.weight, in, out);
  result.whole_transposed.convolution = PackedConvolution<T>(back, turned(linear), out, in);
  result.bias = spread<T>(linear.bias, out);
  result.multiply_adds = result.whole.convolution.multiply_adds();
  return result;
}

template <typename T>
void pack_slices(const Blueprint& blueprint, std::size_t k, PackedLinear<T>& packed) {
  const LinearArrays& linear = blueprint.linears[k];
  const std::vector<double> back = transposed(linear.rows, linear.cols, linear.weight);
  const std::vector<Index>& inputs = blueprint.first_of_degree[k];
  const std::vector<Index>& units = blueprint.first_of_degree[k + 1];
  for (std::size_t d = 0; d + 1 < units.size(); ++d) {
    const Range rows{units[d], units[d + 1]};
    const Range known{0, inputs[d + 1]};
    packed.slices.push_back(
        {PackedMatrix<T>(rows.size(), known.size(), block(linear.weight, linear.cols, rows, known)),
         rows.first, known.first});
    const Range sources{inputs[d], inputs[d + 1]};
    const Range later{units[d], linear.rows};
    packed.slices_transposed.push_back(
        {PackedMatrix<T>(sources.size(), later.size(), block(back, linear.rows, sources, later)),
         sources.first, later.first});
  }
}

template <typename T>
PackedLinear<T> pack_matrix(const Blueprint& blueprint, std::size_t k) {
  const LinearArrays& linear = blueprint.linears[k];
  PackedLinear<T> result;
  result.whole.matrix = PackedMatrix<T>(linear.rows, linear.cols, linear.weight);
  result.whole_transposed.matrix = PackedMatrix<T>(
      linear.cols, linear.rows, transposed(linear.rows, linear.cols, linear.weight));
  result.bias.assign(linear.bias.begin(), linear.bias.end());
  result.multiply_adds = linear.rows * linear.cols;
  if (!blueprint.first_of_degree.empty()) pack_slices(blueprint, k, result);
  return result;
}

}  // namespace

template <typename T>
PackedNetwork<T>::PackedNetwork(const Blueprint& blueprint)
    : on_image(blueprint.image.channels > 0),
      program(blueprint.program),
      slope(static_cast<T>(blueprint.slope)),
      alpha(static_cast<T>(blueprint.alpha)),
      epsilon(static_cast<T>(blueprint.epsilon)) {
  for (std::size_t k = 0; k < blueprint.linears.size(); ++k) {
    linears.push_back(on_image ? pack_convolution<T>(blueprint, k) : pack_matrix<T>(blueprint, k));
  }
  for (const std::vector<double>& chosen : blueprint.sines) {
    sines.emplace_back(chosen.begin(), chosen.end());
  }
  for_each_operation(blueprint, [&](const Operation& operation, std::size_t k) {
    if (operation.kind != Kind::kAffine && operation.kind != Kind::kLayerNorm) return;
    const NormArrays& norm = blueprint.norms[operation.array];
    const PixelRows rows = on_image
                               ? rows_of_map(blueprint, static_cast<Index>(k))
                               : PixelRows::by_channel(static_cast<Index>(norm.scale.size()), 1);
    norms.push_back({spread<T>(norm.scale, rows), spread<T>(norm.shift, rows)});
  });
}

template <typename T>
Index PackedNetwork<T>::rows_of(const PackedPart<T>& part) const {
  return on_image ? part.convolution.outputs() * part.convolution.pixels() : part.matrix.rows();
}

template struct PackedNetwork<float>;
template struct PackedNetwork<double>;

}  // namespace flotilla
