// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/sampler/draw_block.hpp"

namespace flotilla {

/// How the chains of the whole run are cut into tiles, and which tiles are one rank's own.
///
/// The cut depends on nothing but `chains` and `tile_width`; the rank only picks from it.
struct Tiling {
  Index chains = 0;      ///< of the whole run, >= 1
  Index tile_width = 0;  ///< chains in a tile, a multiple of kColumnBlock
  Index first_tile = 0;
  Index tiles = 0;  ///< this rank's, possibly none

  /// Contiguous shares that differ by at most one tile. @pre 0 <= rank < ranks
  static Tiling share(Index chains, Index tile_width, Index rank, Index ranks);

  Index first_chain() const { return std::min(first_tile * tile_width, chains); }
  Index end_chain() const { return std::min((first_tile + tiles) * tile_width, chains); }
  Index local_chains() const { return end_chain() - first_chain(); }
};

/// The two parts of a run: first the step size is found, then it stands.
enum class Phase { kWarmUp, kSampling };

/// A run of steps between two meetings of the ranks.
struct Block {
  std::uint64_t first_step = 0;  ///< counted from the start of the run, warm-up included
  Index steps = 0;
  std::uint64_t phase_start = 0;  ///< first step of the phase: draws are counted from there
  Index thin = 0;                 ///< every thin-th step of the phase is a draw; 0 keeps none

  bool keeps(std::uint64_t step) const {
    return thin > 0 && (step - phase_start + 1) % static_cast<std::uint64_t>(thin) == 0;
  }
  Index draws() const;
};

/// The chains of one rank. Advances its tiles one after another through one workspace, so that its
/// memory is two points and one latent position for each chain.
///
/// Knows nothing of other ranks: what a tile does is a function of its index alone.
template <typename T>
class Pool {
 public:
  /// @param kernel  outlives the pool
  Pool(const Kernel<T>& kernel, const Random& random, const Tiling& tiling);

  const Tiling& tiling() const { return tiling_; }

  /// Starts every superchain from its own draw of q_Z; a draw without a finite density is drawn
  /// again.
  ///
  /// @param width  chains of a superchain, which start from one point; 1 where all start apart
  /// @throws InputError where 100 draws in a row have none
  void start_from_base(Index width = 1);

  /// Starts superchain i from point i (modulo their number) of the data space, through the inverse.
  ///
  /// @param points  [n x dim] @param width  as in start_from_base()
  /// @throws InputError where the shape does not fit, or a point has no finite density
  void start_from(const Tensor& points, Index width = 1);

  /// Fills `draws` with one draw of each chain: where it stands. After start_from_base() or
  /// start_from(), and before the first step.
  void look(DrawBlock<T>& draws);

  /// Advances every chain by the block's steps.
  ///
  /// @param draws  restarted and filled with what the block keeps
  /// @returns the statistics of all moves of this rank's chains
  /// Allocates nothing, but for TorchScript layers.
  MoveStatistics advance(const Block& block, StepSize step_size, DrawBlock<T>& draws);

 private:
  Index columns_of(Index tile) const;
  std::uint64_t first_chain_of(Index tile) const;
  /// Draws the masked columns of z, chains of one superchain alike.
  void draw_starts(std::uint64_t attempt, std::uint64_t first_chain, Index width,
                   const ColumnMask& missing, Batch<T>& z) const;
  /// The first of the tile's chains that has no finite density at the workspace's current point, or
  /// -1.
  Index first_without_density(Index tile) const;

  const Kernel<T>* kernel_;
  Random random_;
  Tiling tiling_;
  std::vector<Batch<double>> tiles_;  ///< Point::position of each tile
  Workspace<T> workspace_;
};

}  // namespace flotilla
