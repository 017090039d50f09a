// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The convolution of images [channel, row, column, chain]. For each pixel it uses the register
// tiles of product.hpp and sums over taps and channels. The element-wise work that follows is
// applied while the pixel's rows are in the first cache. Every column sees the same additions in
// the same order, wherever it stands in the batch.

#include <algorithm>
#include <array>
#include <utility>

#include "core/register_tile.hpp"
#include "flow/conditioner/packed_convolution.hpp"

namespace flotilla {

/// The range of a tile's sums: the taps of one pixel.
template <typename T>
struct TapRange {
  const typename PackedConvolution<T>::Tap* begin;
  const typename PackedConvolution<T>::Tap* end;
};

/// Outputs first_output, ..., kRows of them, of one pixel, for kVectors vectors of columns.
template <std::size_t kRows, std::size_t kVectors, typename T>
[[gnu::always_inline]] inline void convolve_tile(const PackedConvolution<T>& convolution,
                                                 TapRange<T> taps, Index first_output, const T* in,
                                                 Index stride, std::array<T*, kRows> out) {
  using Vector = typename Register<T>::Vector;
  constexpr Index kLanes = Register<T>::kLanes;
  const Index* channels = convolution.input_channels().data();
  const Index inputs = convolution.inputs();
  Vector sum[kRows][kVectors] = {};
  for (const auto* tap = taps.begin; tap != taps.end; ++tap) {
    const T* a = convolution.panel(first_output, tap->position, static_cast<Index>(kRows));
    const T* pixel = in + tap->input_row * stride;
    for (Index c = 0; c < inputs; ++c) {
      const T* b = pixel + channels[c] * stride;
      Vector values[kVectors];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < kVectors; ++j) {
        values[j] = *reinterpret_cast<const Vector*>(b + static_cast<Index>(j) * kLanes);
      }
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (std::size_t j = 0; j < kVectors; ++j) sum[r][j] += a[r] * values[j];
      }
      a += kRows;
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t j = 0; j < kVectors; ++j) {
      *reinterpret_cast<Vector*>(out[r] + static_cast<Index>(j) * kLanes) = sum[r][j];
    }
  }
}

/// The same for all columns. A flat panel takes more columns at once: only then are there enough
/// sums to hide the processor's latency.
template <std::size_t kRows, typename T>
void convolve_panel(const PackedConvolution<T>& convolution, Index pixel, Index first_output,
                    const T* in, Index stride, T* out) {
  constexpr std::size_t kVectors = kRows <= 4 ? 4 : 2;
  constexpr Index kLanes = Register<T>::kLanes;
  const TapRange<T> taps{convolution.taps_begin(pixel), convolution.taps_end(pixel)};
  std::array<T*, kRows> rows{};
  for (std::size_t r = 0; r < kRows; ++r) {
    rows[r] = out + convolution.output_row(first_output + static_cast<Index>(r), pixel) * stride;
  }
  const auto advance = [&](Index columns) {
    in += columns;
    for (T*& row : rows) row += columns;
  };
  Index column = 0;
  for (; column + static_cast<Index>(kVectors) * kLanes <= stride;
       column += static_cast<Index>(kVectors) * kLanes) {
    convolve_tile<kRows, kVectors>(convolution, taps, first_output, in, stride, rows);
    advance(static_cast<Index>(kVectors) * kLanes);
  }
  for (; column < stride; column += 2 * kLanes) {
    convolve_tile<kRows, 2>(convolution, taps, first_output, in, stride, rows);
    advance(2 * kLanes);
  }
}

/// convolve_panel for every height of a panel; [0] is for one row.
template <typename T, std::size_t... kHeights>
constexpr auto convolve_panels(std::index_sequence<kHeights...>) {
  return std::array{&convolve_panel<kHeights + 1, T>...};
}

/// out <- convolution of in, then finish(row) for each row of out.
///
/// @pre no overlap; equal strides
template <typename T, typename Finish>
void convolve(const PackedConvolution<T>& convolution, const Batch<T>& in, Batch<T>& out,
              Finish finish) {
  static constexpr auto kConvolve = convolve_panels<T>(std::make_index_sequence<kPanelRows>());
  for (Index pixel = 0; pixel < convolution.pixels(); ++pixel) {
    for (Index first = 0; first < convolution.outputs(); first += kPanelRows) {
      const Index height = std::min(kPanelRows, convolution.outputs() - first);
      kConvolve[static_cast<std::size_t>(height - 1)](convolution, pixel, first, in.row(0),
                                                      in.stride(), out.row(0));
      for (Index output = first; output < first + height; ++output) {
        finish(convolution.output_row(output, pixel));
      }
    }
  }
}

}  // namespace flotilla
