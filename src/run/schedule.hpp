// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/run/config.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// The steps of one phase, cut into stretches of equal length, and each stretch into blocks of
/// equal length; the last of either may be shorter.
class Blocks {
 public:
  Blocks() = default;
  /// @param stretch  steps after which a block ends, whatever the length of blocks; 0 for none
  /// @param thin     see Block
  Blocks(std::uint64_t first_step, Index steps, Index block_steps, Index stretch, Index thin);

  Index size() const;
  Block operator[](Index i) const;
  /// The most draws that any block keeps, or a little more.
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

/// A run as blocks: in warm-up a block is one window of the exchange, in sampling as many draws as
/// one write to the run file takes, and no block reaches across a report of convergence. Where
/// blocks end never changes a draw.
struct Schedule {
  Blocks warmup;
  Blocks sampling;
  Index chunk_draws = 0;  ///< draws of a tile that make a chunk of about 1 MiB, at most 100

  /// The most draws of any block, or a little more.
  Index largest_draws() const;
};

/// @param bytes_per_point  of one point in data space
/// @param largest_share    chains of the rank that has most of them: bounds a block's memory
/// @throws InputError where the draws of a warm-up window do not fit into it
Schedule make_schedule(const RunConfig& config, Index bytes_per_point, Index largest_share);

}  // namespace flotilla
