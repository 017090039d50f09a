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

/// What a kernel found at the position of every chain of a tile. It follows from the position and
/// from the scales, and is kept to save the work.
template <typename T>
struct Known {
  Known() = default;
  Known(Index dim, Index chains)
      : x(dim, chains), drift(dim, chains), log_det(1, chains), log_density(1, chains) {}

  Batch<T> x;      ///< as in Point; likewise the others
  Batch<T> drift;  ///< for the scales of the last step
  PerChain log_det;
  PerChain log_density;
};

/// All that the chains of a tile are between two steps. With the tuning and the number of the next
/// step it decides every later draw.
template <typename T>
struct ChainState {
  ChainState(Index dim, Index chains, bool keeps_memory) : position(dim, chains) {
    if (keeps_memory) memory = Memory<T>(dim, chains);
  }

  /// Writes the state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(position, memory.momentum, memory.slice);
  }

  Batch<double> position;  ///< z, [dim x chains], as in Point
  Memory<T> memory;        ///< [0 x 0] if the kernel has none
};

}  // namespace flotilla
