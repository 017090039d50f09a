// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/run/config.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// The steps of one phase, cut into stretches of equal length. Each stretch is cut into blocks of
/// equal length. The last stretch and the last block may be shorter.
class Blocks {
 public:
  Blocks() = default;
  /// @param stretch  number of steps; a block always ends with a stretch; 0: no stretches
  /// @param thin     see Block
  Blocks(std::uint64_t first_step, Index steps, Index block_steps, Index stretch, Index thin);

  Index size() const;
  Block operator[](Index i) const;
  /// The rest of a block, or the first steps of it.
  ///
  /// @param done  steps of the phase that were made, fewer than steps()
  /// @param most  number of steps to make now, >= 1
  Block after(Index done, Index most) const;
  /// Whether a block of these ends with a part of it.
  bool ends_with(const Block& part) const;
  /// Steps of the phase.
  Index steps() const { return steps_; }
  /// Upper bound for the number of draws that a block keeps; nearly tight.
  Index largest_draws() const;

  /// Walks the blocks in order.
  class Iterator {
   public:
    Iterator(const Blocks& blocks, Index i) : blocks_(&blocks), i_(i) {}
    Block operator*() const { return (*blocks_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return i_ == other.i_; }

   private:
    const Blocks* blocks_;
    Index i_;
  };
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  std::uint64_t first_step_ = 0;
  Index steps_ = 0;
  Index block_steps_ = 1;
  Index stretch_ = 1;
  Index thin_ = 0;
};

/// The blocks of a run. A block of warm-up is one window of the exchange. A block of sampling is at
/// most a chunk of the run file, and does not cross a report of convergence. The run file writes
/// whole chunks, whatever the blocks are. Block boundaries never change a draw.
struct Schedule {
  Blocks warmup;
  Blocks sampling;
  Index chunk_draws = 0;  ///< draws per chunk: about 1 MiB for a tile, at most 100

  /// Upper bound for the number of draws of any block; nearly tight.
  Index largest_draws() const;
};

/// @param bytes_per_point  of one point in data space
/// @param largest_share    number of chains on the rank that has the most; limits a block's memory
/// @throws InputError if a block cannot hold the draws of a warm-up window
Schedule make_schedule(const RunConfig& config, Index bytes_per_point, Index largest_share);

}  // namespace flotilla
