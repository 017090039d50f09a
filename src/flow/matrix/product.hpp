// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The matrix product of the flows, C = A B with A constant. It computes one register tile of the
// result at a time. The element-wise work that follows is applied while the tile's rows are in the
// first cache. Every column sees the same additions in the same order, wherever it stands in the
// batch, so its bits depend on its own values alone.

#include <algorithm>
#include <array>
#include <utility>

#include "core/register_tile.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// Adds A's segment [kRows x depth] times B [depth x two vectors] to C, or overwrites C with it.
template <std::size_t kRows, typename T>
[[gnu::always_inline]] inline void multiply_tile(const T* a, Index depth, const T* b, Index stride,
                                                 T* c, bool overwrite) {
  using Vector = typename Register<T>::Vector;
  constexpr Index kLanes = Register<T>::kLanes;
  Vector sum[kRows][2] = {};
  if (!overwrite) {
    for (std::size_t r = 0; r < kRows; ++r) {
      const T* row = c + static_cast<Index>(r) * stride;
      sum[r][0] = *reinterpret_cast<const Vector*>(row);
      sum[r][1] = *reinterpret_cast<const Vector*>(row + kLanes);
    }
  }
  for (Index k = 0; k < depth; ++k) {
    const Vector left = *reinterpret_cast<const Vector*>(b);
    const Vector right = *reinterpret_cast<const Vector*>(b + kLanes);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      sum[r][0] += a[r] * left;
      sum[r][1] += a[r] * right;
    }
    // Fetch the next panel while this one is used. A flow's weights are larger than the second
    // cache: without this the product waits for them a third of its time.
    __builtin_prefetch(a + static_cast<Index>(kRows) * depth);
    a += kRows;
    b += stride;
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    T* row = c + static_cast<Index>(r) * stride;
    *reinterpret_cast<Vector*>(row) = sum[r][0];
    *reinterpret_cast<Vector*>(row + kLanes) = sum[r][1];
  }
}

/// The same for a whole panel of C, all columns of it.
template <std::size_t kRows, typename T>
void multiply_panel(const T* a, Index depth, const T* b, Index stride, T* c, bool overwrite) {
  for (Index column = 0; column < stride; column += Register<T>::kColumns) {
    multiply_tile<kRows>(a, depth, b + column, stride, c + column, overwrite);
  }
}

/// multiply_panel for every height of a panel; [0] is for one row.
template <typename T, std::size_t... kHeights>
constexpr auto multiply_panels(std::index_sequence<kHeights...>) {
  return std::array{&multiply_panel<kHeights + 1, T>...};
}

/// out <- A in, then finish(row) for each row of out, panel by panel.
///
/// @param in   [A.cols() x stride], out [A.rows() x stride]; no overlap
/// @pre stride is a multiple of Register<T>::kColumns, rows begin at multiples of kVectorBytes
template <typename T, typename Finish>
void multiply(const PackedMatrix<T>& matrix, const T* in, T* out, Index stride, Finish finish) {
  static constexpr auto kMultiply = multiply_panels<T>(std::make_index_sequence<kPanelRows>());
  for (Index first_col = 0; first_col < matrix.cols(); first_col += kDepth) {
    const Index depth = std::min(kDepth, matrix.cols() - first_col);
    const bool last = first_col + depth == matrix.cols();
    for (Index first_row = 0; first_row < matrix.rows(); first_row += kPanelRows) {
      const Index rows = std::min(kPanelRows, matrix.rows() - first_row);
      const T* a = matrix.segment(first_row, first_col, depth);
      kMultiply[static_cast<std::size_t>(rows - 1)](a, depth, in + first_col * stride, stride,
                                                    out + first_row * stride, first_col == 0);
      if (!last) continue;
      for (Index row = first_row; row < first_row + rows; ++row) finish(row);
    }
  }
  if (matrix.cols() > 0) return;
  for (Index row = 0; row < matrix.rows(); ++row) {  // the sum is empty
    std::fill_n(out + row * stride, stride, T{0});
    finish(row);
  }
}

/// Rows of out from first_out on <- A times the rows of in from first_in on. Then calls finish(row)
/// for each of them, panel by panel.
///
/// @pre in has at least first_in + A.cols() rows and out at least first_out + A.rows(); equal
/// strides; no overlap
template <typename T, typename Finish>
void multiply(const PackedMatrix<T>& matrix, const Batch<T>& in, Index first_in, Batch<T>& out,
              Index first_out, Finish finish) {
  // An empty matrix may stand behind the last row.
  const T* from = matrix.cols() > 0 ? in.row(first_in) : nullptr;
  T* to = matrix.rows() > 0 ? out.row(first_out) : nullptr;
  multiply(matrix, from, to, in.stride(), [&](Index row) { finish(first_out + row); });
}

}  // namespace flotilla
