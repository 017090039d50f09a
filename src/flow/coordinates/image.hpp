// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Coordinates of an image. Where the values of images that a convolution reads stand among the rows
// of a batch.

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The shape of an image. Its values are numbered (channel * rows + row) * columns + column.
struct Image {
  Index channels = 0;
  Index rows = 0;
  Index columns = 0;

  Index pixels() const { return rows * columns; }
};

/// Reads array `image`. @throws InputError if it is not a shape with reader.dim() values
Image read_image(const LayerReader& reader);

/// The value of channel c at pixel p is in row channel[c] + pixel[p].
struct PixelRows {
  static constexpr Index kAbsent = -1;

  std::vector<Index> channel;
  std::vector<Index> pixel;  ///< [rows * columns]; kAbsent if the batch does not have the pixel

  /// Channel by channel, as coordinates are ordered.
  static PixelRows by_channel(Index channels, Index pixels);
  /// Pixel by pixel, so that what a convolution reads together lies together.
  static PixelRows by_pixel(Index channels, Index pixels);
};

/// The coordinates of one half of a coupling, as images that a convolution reads or writes.
struct Half {
  std::vector<Index> channels;  ///< the channels in this half
  std::vector<Index> rank;      ///< of each pixel: its number among this half's pixels, or kAbsent
  Index pixels = 0;             ///< number of pixels in this half

  /// The rows of a batch that has `parameters` values for each coordinate of the half. In files the
  /// first parameter of all channels comes first, then the second. In a batch the parameters of a
  /// coordinate stand together.
  PixelRows rows(Index parameters) const;
};

/// @param coordinates  ascending; all pixels of some channels, or the same pixels of every channel
/// @throws InputError if they are not such a set
Half half_of(const LayerReader& reader, const Image& image, const std::vector<Index>& coordinates);

}  // namespace flotilla
