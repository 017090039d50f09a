#pragma once

#include <vector>

#include "flotilla/run/config.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// A run as blocks: in warm-up a block is one window of the exchange, in sampling as many draws as
/// one write to the run file takes. Where blocks end never changes a draw.
struct Schedule {
  std::vector<Block> warmup;
  std::vector<Block> sampling;
  Index chunk_draws = 0;  ///< draws of a tile that make a chunk of about 1 MiB, at most 100

  /// The most draws of any block.
  Index largest_draws() const;
};

/// @param bytes_per_point  of one point in data space
/// @param largest_share    chains of the rank that has most of them: bounds a block's memory
Schedule make_schedule(const RunConfig& config, Index bytes_per_point, Index largest_share);

}  // namespace flotilla
