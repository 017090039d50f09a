// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/image.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace flotilla {

Image read_image(const LayerReader& reader) {
  const std::vector<double>& values = reader.array("image", {3});
  double size = 1.0;
  for (const double value : values) {
    if (value < 1.0 || value != std::floor(value)) {
      reader.fail(fmt::format("array 'image' should hold channels, rows and columns but holds {}",
                              fmt::join(values, ", ")));
    }
    size *= value;
  }
  if (size != static_cast<double>(reader.dim())) {
    reader.fail(fmt::format("array 'image' should be the shape of {} coordinates but holds {}",
                            reader.dim(), fmt::join(values, " x ")));
  }
  return {static_cast<Index>(values[0]), static_cast<Index>(values[1]),
          static_cast<Index>(values[2])};
}

namespace {

/// 0, step, 2 step, ...
std::vector<Index> multiples(Index step, Index count) {
  std::vector<Index> numbers;
  numbers.reserve(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) numbers.push_back(i * step);
  return numbers;
}

}  // namespace

PixelRows PixelRows::by_channel(Index channels, Index pixels) {
  return {multiples(pixels, channels), multiples(1, pixels)};
}

PixelRows PixelRows::by_pixel(Index channels, Index pixels) {
  return {multiples(1, channels), multiples(channels, pixels)};
}

PixelRows Half::rows(Index parameters) const {
  PixelRows result;
  const auto count = static_cast<Index>(channels.size());
  for (Index p = 0; p < parameters; ++p) {
    for (Index c = 0; c < count; ++c) result.channel.push_back(c * pixels * parameters + p);
  }
  result.pixel.reserve(rank.size());
  for (const Index place : rank) {
    result.pixel.push_back(place == PixelRows::kAbsent ? place : place * parameters);
  }
  return result;
}

Half half_of(const LayerReader& reader, const Image& image, const std::vector<Index>& coordinates) {
  Half half;
  std::vector<Index> seen(static_cast<std::size_t>(image.channels), 0);
  for (const Index i : coordinates) ++seen[static_cast<std::size_t>(i / image.pixels())];
  for (Index c = 0; c < image.channels; ++c) {
    if (seen[static_cast<std::size_t>(c)] > 0) half.channels.push_back(c);
  }
  half.rank.assign(static_cast<std::size_t>(image.pixels()), PixelRows::kAbsent);
  for (const Index i : coordinates) {
    if (i / image.pixels() != half.channels.front()) break;
    half.rank[static_cast<std::size_t>(i % image.pixels())] = half.pixels++;
  }
  const bool whole_channels = half.pixels == image.pixels();
  bool fits = whole_channels || static_cast<Index>(half.channels.size()) == image.channels;
  for (std::size_t i = 0; fits && i < coordinates.size(); ++i) {
    const auto place = static_cast<Index>(i);
    const Index channel = half.channels[std::min(i / static_cast<std::size_t>(half.pixels),
                                                 half.channels.size() - 1)];
    fits =
        coordinates[i] / image.pixels() == channel &&
        half.rank[static_cast<std::size_t>(coordinates[i] % image.pixels())] == place % half.pixels;
  }
  if (!fits) {
    reader.fail(
        "array 'mask' of a convolutional conditioner should keep whole channels, or the same "
        "pixels of every channel");
  }
  return half;
}

}  // namespace flotilla
