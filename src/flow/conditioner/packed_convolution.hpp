// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

struct PixelRows;

/// The constants of a convolution of images [channel, row, column, chain] with stride 1 and zero
/// padding.
///
/// Each output pixel is a matrix product over channels and over the taps that fall into the image.
/// The image is read where it lies; it is not unrolled into a larger matrix. Products with the zero
/// padding are left out.
template <typename T>
class PackedConvolution {
 public:
  /// The shape of a kernel and of the images it slides over.
  struct Shape {
    Index outputs = 0;  ///< channels
    Index inputs = 0;
    Index kernel_rows = 1;  ///< odd
    Index kernel_columns = 1;
    Index rows = 1;  ///< of input and output image
    Index columns = 1;
  };
  /// A kernel position that meets the input image, seen from one output pixel.
  struct Tap {
    Index position;   ///< in the kernel
    Index input_row;  ///< PixelRows::pixel of the input pixel there
  };

  PackedConvolution() = default;

  /// @param values   [outputs x inputs x kernel_rows x kernel_columns] in C order
  /// @param in, out  where the values of the two images stand
  PackedConvolution(const Shape& shape, const std::vector<double>& values, const PixelRows& in,
                    const PixelRows& out);

  Index outputs() const { return shape_.outputs; }
  Index inputs() const { return shape_.inputs; }
  /// Multiply-adds of one product, per chain. Products with the zero padding are not computed.
  Index multiply_adds() const;

  /// All existing output pixels, in order.
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

  /// The weights of one panel of outputs, from first_output on, at a kernel position, input by
  /// input.
  ///
  /// @param height  number of outputs in this panel
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
