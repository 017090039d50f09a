// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/sampler/kernel.hpp"

namespace flotilla {

/// The draws that a rank's chains made in one block, in the order of the run file: chain by chain,
/// draw by draw.
template <typename T>
class DrawBlock {
 public:
  DrawBlock() = default;
  /// Allocates room for `capacity` draws of each chain, once and for all.
  ///
  /// @param latent  whether z is kept too
  DrawBlock(Index dim, Index chains, Index capacity, bool latent = true);

  Index dim() const { return dim_; }
  Index chains() const { return chains_; }
  Index draws() const { return draws_; }

  /// Empties the block and makes room for `draws` <= capacity draws of each chain.
  void restart(Index draws);

  /// Copies draw number `draw` of the first `count` columns of a tile. Column 0 is chain
  /// `first_chain` of this block.
  void store(const Workspace<T>& workspace, Index first_chain, Index count, Index draw);

  std::vector<T> x;  ///< [chains x draws x dim]; only the first chains * draws * dim values count
  std::vector<T> z;  ///< likewise; empty if z is not kept
  std::vector<double> log_density;  ///< [chains x draws], likewise for all below
  std::vector<double> log_det;      ///< l(z)
  std::vector<double> acceptance;   ///< acceptance probability of the last step
  std::vector<std::int8_t> accepted;
  std::vector<std::int8_t> global;
  std::vector<std::int8_t> diverging;

 private:
  Index dim_ = 0;
  Index chains_ = 0;
  Index draws_ = 0;
};

}  // namespace flotilla
