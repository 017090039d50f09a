#pragma once

#include "flotilla/run/config.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// The steps of one phase, cut into blocks of equal length; the last one may be shorter.
class Blocks {
 public:
  Blocks() = default;
  /// @param thin  see Block
  Blocks(std::uint64_t first_step, Index steps, Index block_steps, Index thin)
      : first_step_(first_step), steps_(steps), block_steps_(block_steps), thin_(thin) {}

  Index size() const { return (steps_ + block_steps_ - 1) / block_steps_; }
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
  Index thin_ = 0;
};

/// A run as blocks: in warm-up a block is one window of the exchange, in sampling as many draws as
/// one write to the run file takes. Where blocks end never changes a draw.
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
