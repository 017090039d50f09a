// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/sampler/draw_block.hpp"
#include "flotilla/sampler/latent_spread.hpp"

namespace flotilla {

/// How the chains of the whole run are cut into tiles, and which tiles belong to this rank.
///
/// The cut depends on `chains` and `tile_width` alone. The rank decides only which tiles it gets.
struct Tiling {
  Index chains = 0;      ///< of the whole run, >= 1
  Index tile_width = 0;  ///< chains in a tile, a multiple of kColumnBlock
  Index first_tile = 0;
  Index tiles = 0;  ///< number of this rank's tiles; may be 0

  /// Contiguous shares that differ by at most one tile. @pre 0 <= rank < ranks
  static Tiling share(Index chains, Index tile_width, Index rank, Index ranks);

  /// This rank's chains are first_chain() to end_chain() - 1 of the whole run.
  Index first_chain() const { return std::min(first_tile * tile_width, chains); }
  Index end_chain() const { return std::min((first_tile + tiles) * tile_width, chains); }
  Index local_chains() const { return end_chain() - first_chain(); }
};

/// The two phases of a run. Warm-up finds the step size; sampling keeps it fixed.
enum class Phase { kWarmUp, kSampling };

/// A run of steps between two communications of the ranks.
struct Block {
  std::uint64_t first_step = 0;  ///< counted from the start of the run, warm-up included
  Index steps = 0;
  std::uint64_t phase_start = 0;  ///< first step of the phase; draws are counted from it
  Index thin = 0;                 ///< every thin-th step of the phase is a draw; 0 keeps none

  bool keeps(std::uint64_t step) const {
    return thin > 0 && (step - phase_start + 1) % static_cast<std::uint64_t>(thin) == 0;
  }
  /// Number of draws of each chain that the block keeps.
  Index draws() const;
};

/// The chains of one rank. Tiles advance one after another through one workspace. Memory is
/// therefore two points, plus for each tile one ChainState and what is known there.
///
/// It does not know of other ranks: what a tile does is a function of its index alone.
template <typename T>
class Pool {
 public:
  /// @param kernel  outlives the pool
  Pool(const Kernel<T>& kernel, const Random& random, const Tiling& tiling);

  const Tiling& tiling() const { return tiling_; }

  /// Starts every superchain from its own draw of q_Z. A draw without a finite log density is
  /// redrawn.
  ///
  /// @param width  chains of a superchain, which start from one point; 1 if all start apart
  /// @throws InputError if 100 draws in a row have no finite log density
  void start_from_base(Index width = 1);

  /// Starts superchain i from point (i modulo n) of the data space, through the inverse.
  ///
  /// @param points  [n x dim]
  /// @param width   as in start_from_base()
  /// @throws InputError if the shape does not fit, or a point has no finite log density
  void start_from(const Tensor& points, Index width = 1);

  /// Fills `draws` with the current point of each chain, as one draw. Call it after
  /// start_from_base() or start_from() and before the first step.
  void look(DrawBlock<T>& draws);

  /// Advances every chain by the block's steps. Allocates nothing, except in TorchScript layers.
  ///
  /// @param draws  emptied, then filled with the draws that the block keeps
  /// @returns the statistics of all moves of this rank's chains
  MoveStatistics advance(const Block& block, const Tuning& tuning, DrawBlock<T>& draws);

  /// Number of this rank's tiles.
  Index tiles() const { return tiling_.tiles; }
  /// All that the chains of a tile are. A state from a checkpoint may take its place.
  /// @param tile  counted within this rank
  const ChainState<T>& state(Index tile) const { return tiles_[static_cast<std::size_t>(tile)]; }
  void restore(Index tile, ChainState<T> state);

  /// How far this rank's chains lie apart now.
  /// @param scales  units for eigenvalues; see LatentSpread
  LatentSpread spread(const std::vector<double>& scales) const;

 private:
  Index columns_of(Index tile) const;
  std::uint64_t first_chain_of(Index tile) const;
  /// Draws the masked columns of z. All chains of a superchain get the same draw.
  void draw_starts(std::uint64_t attempt, std::uint64_t first_chain, Index width,
                   const ColumnMask& missing, Batch<T>& z) const;
  /// Puts a tile into the workspace, and back.
  void enter(Index tile, const std::vector<double>& scales);
  void leave(Index tile, const std::vector<double>& scales);
  /// The first chain of the tile without a finite log density at the workspace's current point; -1
  /// if all have one.
  Index first_without_density(Index tile) const;

  const Kernel<T>* kernel_;
  Random random_;
  Tiling tiling_;
  std::vector<ChainState<T>> tiles_;
  std::vector<Known<T>> known_;  ///< of each tile; empty if it saves nothing
  std::vector<std::optional<std::vector<double>>>
      scales_;  ///< that it is known for; empty: for none
  Workspace<T> workspace_;
};

}  // namespace flotilla
