// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// What a move with memory keeps of every chain from one step to the next.
template <typename T>
struct Memory {
  Memory() = default;
  Memory(Index dim, Index chains) : momentum(dim, chains), slice(1, chains) {}

  Batch<T> momentum;  ///< v, [dim x chains]; standard normal under the invariant density
  PerChain slice;     ///< u in [-1, 1]; uniform under the invariant density
};

/// All that the chains of a tile are between two steps. With the tuning and the number of the next
/// step it decides every later draw.
template <typename T>
struct ChainState {
  ChainState(Index dim, Index chains, bool keeps_memory) : position(dim, chains) {
    if (keeps_memory) memory = Memory<T>(dim, chains);
  }

  Batch<double> position;  ///< z, [dim x chains], as in Point
  Memory<T> memory;        ///< [0 x 0] if the kernel has none
};

}  // namespace flotilla
