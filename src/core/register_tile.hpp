// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The shape in which a matrix product fits this processor: what stands in registers, and what stays
// in the first cache meanwhile.

#include "flotilla/core/batch.hpp"

namespace flotilla {

#if defined(__AVX512F__)
inline constexpr Index kVectorBytes = 64;
inline constexpr Index kPanelRows = 8;  // 16 sums of 32 registers; two hold B
#elif defined(__AVX__)
inline constexpr Index kVectorBytes = 32;
inline constexpr Index kPanelRows = 6;  // 12 sums of 16 registers; two hold B, one an element of A
#else
inline constexpr Index kVectorBytes = 16;
inline constexpr Index kPanelRows = 6;
#endif

/// Rows of B that are used up before the next are begun: so many of a tile's width fit into the
/// first cache, and stay there while all panels of A pass by.
inline constexpr Index kDepth = 128;

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

template <typename T>
struct Register {
  using Vector = typename VectorOf<T>::type;
  static constexpr Index kLanes = kVectorBytes / static_cast<Index>(sizeof(T));
  static constexpr Index kColumns = 2 * kLanes;  // of a register tile
  static_assert(kColumnBlock % kColumns == 0);
};

}  // namespace flotilla
