// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/packed_convolution.hpp"

#include <algorithm>

#include "core/register_tile.hpp"
#include "flow/coordinates/image.hpp"

namespace flotilla {

template <typename T>
PackedConvolution<T>::PackedConvolution(const Shape& shape, const std::vector<double>& values,
                                        const PixelRows& in, const PixelRows& out)
    : shape_(shape),
      input_channels_(in.channel),
      output_channels_(out.channel),
      values_(1, static_cast<Index>(values.size())) {
  const Index positions = shape.kernel_rows * shape.kernel_columns;
  T* next = values_.row(0);
  for (Index first = 0; first < shape.outputs; first += kPanelRows) {
    const Index end = std::min(first + kPanelRows, shape.outputs);
    for (Index position = 0; position < positions; ++position) {
      for (Index input = 0; input < shape.inputs; ++input) {
        for (Index output = first; output < end; ++output) {
          const Index place = (output * shape.inputs + input) * positions + position;
          *next++ = static_cast<T>(values[static_cast<std::size_t>(place)]);
        }
      }
    }
  }
  find_taps(in, out);
}

template <typename T>
void PackedConvolution<T>::find_taps(const PixelRows& in, const PixelRows& out) {
  first_tap_ = {0};
  for (Index pixel = 0; pixel < shape_.rows * shape_.columns; ++pixel) {
    const Index output_row = out.pixel[static_cast<std::size_t>(pixel)];
    if (output_row == PixelRows::kAbsent) continue;
    output_pixels_.push_back(output_row);
    const Index first_row = pixel / shape_.columns - shape_.kernel_rows / 2;
    const Index first_column = pixel % shape_.columns - shape_.kernel_columns / 2;
    const Index end_row = std::min(shape_.rows, first_row + shape_.kernel_rows);
    const Index end_column = std::min(shape_.columns, first_column + shape_.kernel_columns);
    for (Index row = std::max<Index>(first_row, 0); row < end_row; ++row) {
      for (Index column = std::max<Index>(first_column, 0); column < end_column; ++column) {
        const Index input_row = in.pixel[static_cast<std::size_t>(row * shape_.columns + column)];
        if (input_row == PixelRows::kAbsent) continue;
        const Index position = (row - first_row) * shape_.kernel_columns + column - first_column;
        taps_.push_back({position, input_row});
      }
    }
    first_tap_.push_back(taps_.size());
  }
}

template <typename T>
Index PackedConvolution<T>::multiply_adds() const {
  return static_cast<Index>(taps_.size()) * shape_.inputs * shape_.outputs;
}

template class PackedConvolution<float>;
template class PackedConvolution<double>;

}  // namespace flotilla
