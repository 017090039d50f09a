#pragma once

// The matrix product of the flows, C = A B with A constant: one register tile of the result at a
// time, the element-wise work that follows applied while its rows are still in the first cache.
// Bits depend on the column's own values alone: every column sees the same additions in the same
// order, wherever it stands in the batch.

#include <algorithm>

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/packed_matrix.hpp"

namespace flotilla {

#if defined(__AVX512F__)
inline constexpr Index kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr Index kVectorBytes = 32;
#else
inline constexpr Index kVectorBytes = 16;
#endif

template <typename T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type = float __attribute__((vector_size(kVectorBytes), may_alias));
};
template <>
struct VectorOf<double> {
  using type = double __attribute__((vector_size(kVectorBytes), may_alias));
};

// The register tile: kPanelRows x two vectors fill 12 of AVX2's 16 registers, and leave two for the
// row of B and one for the broadcast element of A.
template <typename T>
struct Register {
  using Vector = typename VectorOf<T>::type;
  static constexpr Index kLanes = kVectorBytes / static_cast<Index>(sizeof(T));
  static constexpr Index kColumns = 2 * kLanes;
  static_assert(kColumnBlock % kColumns == 0);
};

template <std::size_t kRows, typename T>
[[gnu::always_inline]] inline void multiply_tile(const T* a, Index depth, const T* b, Index stride,
                                                 T* c) {
  using Vector = typename Register<T>::Vector;
  constexpr Index kLanes = Register<T>::kLanes;
  Vector sum[kRows][2] = {};
  for (Index k = 0; k < depth; ++k) {
    const Vector left = *reinterpret_cast<const Vector*>(b);
    const Vector right = *reinterpret_cast<const Vector*>(b + kLanes);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) {
      sum[r][0] += a[r] * left;
      sum[r][1] += a[r] * right;
    }
    a += PackedMatrix<T>::kPanelRows;
    b += stride;
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    T* row = c + static_cast<Index>(r) * stride;
    *reinterpret_cast<Vector*>(row) = sum[r][0];
    *reinterpret_cast<Vector*>(row + kLanes) = sum[r][1];
  }
}

template <std::size_t kRows, typename T>
void multiply_panel(const T* a, Index depth, const Batch<T>& in, T* out) {
  for (Index column = 0; column < in.stride(); column += Register<T>::kColumns) {
    multiply_tile<kRows>(a, depth, in.row(0) + column, in.stride(), out + column);
  }
}

/// out <- A in, then finish(row) for each row of out, panel by panel.
///
/// @pre in has A.cols() rows or more, out A.rows() or more, both the same stride; no overlap
template <typename T, typename Finish>
void multiply(const PackedMatrix<T>& matrix, const Batch<T>& in, Batch<T>& out, Finish finish) {
  constexpr Index kPanelRows = PackedMatrix<T>::kPanelRows;
  for (Index first = 0; first < matrix.rows(); first += kPanelRows) {
    const Index rows = std::min(kPanelRows, matrix.rows() - first);
    const T* panel = matrix.panel(first / kPanelRows);
    switch (rows) {
      case 6:
        multiply_panel<6>(panel, matrix.cols(), in, out.row(first));
        break;
      case 5:
        multiply_panel<5>(panel, matrix.cols(), in, out.row(first));
        break;
      case 4:
        multiply_panel<4>(panel, matrix.cols(), in, out.row(first));
        break;
      case 3:
        multiply_panel<3>(panel, matrix.cols(), in, out.row(first));
        break;
      case 2:
        multiply_panel<2>(panel, matrix.cols(), in, out.row(first));
        break;
      default:
        multiply_panel<1>(panel, matrix.cols(), in, out.row(first));
        break;
    }
    for (Index row = first; row < first + rows; ++row) finish(row);
  }
}

}  // namespace flotilla
