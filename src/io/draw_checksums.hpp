// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "io/crc32c.hpp"

namespace flotilla {

/// An entry of the table of checksums: of one variable, one tile of chains and one block of draws.
struct DrawChecksum {
  Index draws = 0;        ///< of the block, from its first: those that the checksum is of
  std::uint32_t sum = 0;  ///< CRC-32C of the chains' CRC-32C, four bytes each, little end first

  /// As the file has it: one number, which a kill cannot cut in two. No draws are 0.
  std::int64_t packed() const;
  static DrawChecksum unpacked(std::int64_t entry);
};

/// The checksum of a tile, from those of its chains.
std::uint32_t tile_checksum(std::span<const std::uint32_t> chains);

/// Checksums of the draws of one block, of some tiles and variables, as they come.
///
/// Each chain's bytes make a checksum of their own, so that it does not matter in how many pieces
/// the draws of a block come, nor which rank has which tile.
class DrawChecksums {
 public:
  DrawChecksums() = default;
  /// @param chains  of whole tiles; the last one may be narrower
  DrawChecksums(Index chains, Index tile_width, Index variables);

  Index tiles() const { return (chains_ + width_ - 1) / width_; }
  Index variables() const { return variables_; }

  /// Forgets all draws: a block begins.
  void restart();

  /// Goes on with draws of one variable. Allocates nothing.
  ///
  /// @param values     [chains x per_chain], as the file stores them
  /// @param per_chain  values of each chain
  template <typename V>
  void add(Index variable, const V* values, Index per_chain);

  /// The checksums of the chains, to go on with: [chains] of one variable.
  std::uint32_t* of_chains(Index variable) { return sums_.data() + variable * chains_; }

  /// The entries, [tiles x variables], packed. @param draws  of the block so far
  std::span<const std::int64_t> entries(Index draws);

 private:
  Index chains_ = 0;
  Index width_ = 1;
  Index variables_ = 0;
  std::vector<std::uint32_t> sums_;  ///< [variables x chains]
  std::vector<std::int64_t> entries_;
};

}  // namespace flotilla
