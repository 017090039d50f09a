// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Coordinates that lie on an image, and where the values of a convolution's images stand among the
// rows of a batch.

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The shape of an image; coordinate (channel * rows + row) * columns + column.
struct Image {
  Index channels = 0;
  Index rows = 0;
  Index columns = 0;

  Index pixels() const { return rows * columns; }
};

/// Reads array `image`. @throws InputError where it is not the shape of reader.dim() coordinates
Image read_image(const LayerReader& reader);

/// The value of channel c at pixel p is row channel[c] + pixel[p].
struct PixelRows {
  static constexpr Index kAbsent = -1;

  std::vector<Index> channel;
  std::vector<Index> pixel;  ///< [rows * columns]; kAbsent where the batch has no such pixel

  /// Channel by channel, every pixel: as coordinates lie.
  static PixelRows by_channel(Index channels, Index pixels);
  /// Pixel by pixel, every channel: what a convolution reads and writes together lies together.
  static PixelRows by_pixel(Index channels, Index pixels);
};

/// The coordinates of one half of a coupling, as images that a convolution reads or writes.
struct Half {
  std::vector<Index> channels;  ///< which channels it has
  std::vector<Index> rank;      ///< of each pixel among those it has, or PixelRows::kAbsent
  Index pixels = 0;             ///< how many it has

  /// Rows of `parameters` values for each coordinate of the half: the file has the first parameter
  /// of all channels, then the second; a batch has the parameters of a coordinate together.
  PixelRows rows(Index parameters) const;
};

/// @param coordinates  ascending: the pixels of some channels, all of them or the same of every
///                     channel
/// @throws InputError where they are not
Half half_of(const LayerReader& reader, const Image& image, const std::vector<Index>& coordinates);

}  // namespace flotilla
