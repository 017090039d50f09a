// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

struct PixelRows;

/// The constants of a convolution of images [channel, row, column, chain], stride 1, zeros around.
///
/// For each output pixel it is a matrix product over the taps that fall into the image and the
/// channels: the image is read where it lies, nothing is unrolled into a larger matrix, and
/// multiplications with the zeros around are left out.
template <typename T>
class PackedConvolution {
 public:
  /// The shape of a kernel and of the images it slides over.
  struct Shape {
    Index outputs = 0;  ///< channels
    Index inputs = 0;
    Index kernel_rows = 1;  ///< odd
    Index kernel_columns = 1;
    Index rows = 1;  ///< of both images
    Index columns = 1;
  };
  /// A position of the kernel that meets the input image, seen from one output pixel.
  struct Tap {
    Index position;   ///< in the kernel
    Index input_row;  ///< PixelRows::pixel of the input pixel that it meets
  };

  PackedConvolution() = default;

  /// @param values  [outputs x inputs x kernel_rows x kernel_columns] in C order
  /// @param in,out  where the values of both images stand
  PackedConvolution(const Shape& shape, const std::vector<double>& values, const PixelRows& in,
                    const PixelRows& out);

  Index outputs() const { return shape_.outputs; }
  Index inputs() const { return shape_.inputs; }
  /// Multiply-adds of one product, per chain; those with zeros around the image are not made.
  Index multiply_adds() const;

  /// Output pixels that exist, one after another.
  Index pixels() const { return static_cast<Index>(output_pixels_.size()); }
  Index output_row(Index channel, Index pixel) const {
    return output_channels_[static_cast<std::size_t>(channel)] +
           output_pixels_[static_cast<std::size_t>(pixel)];
  }
  const std::vector<Index>& input_channels() const { return input_channels_; }
  const Tap* taps_begin(Index pixel) const {
    return taps_.data() + first_tap_[static_cast<std::size_t>(pixel)];
  }
  const Tap* taps_end(Index pixel) const {
    return taps_.data() + first_tap_[static_cast<std::size_t>(pixel) + 1];
  }

  /// The weights of outputs first_output, ... (one panel) at a kernel position, input by input.
  ///
  /// @param height  outputs of this panel
  const T* panel(Index first_output, Index position, Index height) const {
    const Index positions = shape_.kernel_rows * shape_.kernel_columns;
    return values_.row(0) + (first_output * positions + position * height) * shape_.inputs;
  }

 private:
  void find_taps(const PixelRows& in, const PixelRows& out);

  Shape shape_;
  std::vector<Index> input_channels_;
  std::vector<Index> output_channels_;
  std::vector<Index> output_pixels_;
  std::vector<std::size_t> first_tap_;
  std::vector<Tap> taps_;
  Batch<T> values_;
};

}  // namespace flotilla
