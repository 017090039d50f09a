// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/sampler/kernel.hpp"

namespace flotilla {

/// The draws that a rank's chains made in one block, in the order in which the run file stores
/// them: chain by chain, draw by draw.
template <typename T>
class DrawBlock {
 public:
  DrawBlock() = default;
  /// Room for `capacity` draws of each chain, allocated here and never again.
  ///
  /// @param latent  whether z is kept beside x
  DrawBlock(Index dim, Index chains, Index capacity, bool latent = true);

  Index dim() const { return dim_; }
  Index chains() const { return chains_; }
  Index draws() const { return draws_; }

  /// Forgets what it holds and makes place for `draws` <= capacity draws of each chain.
  void restart(Index draws);

  /// Copies draw number `draw` of the first `count` columns of a tile, whose column 0 is this
  /// block's chain `first_chain`.
  void store(const Workspace<T>& workspace, Index first_chain, Index count, Index draw);

  std::vector<T>
      x;  ///< [chains x draws x dim], as are all: the first chains*draws*dim values count
  std::vector<T> z;                 ///< the same, or empty
  std::vector<double> log_density;  ///< [chains x draws], and those below
  std::vector<double> log_det;
  std::vector<double> acceptance;
  std::vector<std::int8_t> accepted;
  std::vector<std::int8_t> global;
  std::vector<std::int8_t> diverging;

 private:
  Index dim_ = 0;
  Index chains_ = 0;
  Index draws_ = 0;
};

}  // namespace flotilla
