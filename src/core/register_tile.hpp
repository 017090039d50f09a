// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The shape of a register tile: which part of a matrix product stands in registers, and which part
// stays in the first cache.

#include "flotilla/core/batch.hpp"

namespace flotilla {

#if defined(__AVX512F__)
inline constexpr Index kVectorBytes = 64;
inline constexpr Index kPanelRows = 8;  // 16 registers of 32 hold sums, two hold B
#elif defined(__AVX__)
inline constexpr Index kVectorBytes = 32;
inline constexpr Index kPanelRows = 6;  // 12 registers of 16 hold sums, two hold B, one an element
                                        // of A
#else
inline constexpr Index kVectorBytes = 16;
inline constexpr Index kPanelRows = 6;
#endif

/// Number of rows of B that are used up before the next rows. So many rows, as wide as a tile, fit
/// into the first cache. They stay there while all panels of A pass by.
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
  static constexpr Index kColumns = 2 * kLanes;  // columns of a register tile
  static_assert(kColumnBlock % kColumns == 0);
};

}  // namespace flotilla
