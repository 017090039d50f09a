// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// What decides which rank has how many tiles.
struct Division {
  Index chains = 0;      ///< of the whole run, >= 1
  Index tile_width = 0;  ///< chains in a tile
  Index ranks = 1;

  /// All tiles. The last one may be filled up with columns that are no chains.
  Index tiles() const { return (chains + tile_width - 1) / tile_width; }
  /// Tiles of the busiest rank, for which the others wait in every exchange.
  Index most() const { return (tiles() + ranks - 1) / ranks; }
  /// Ranks without a tile.
  Index idle() const { return tiles() < ranks ? ranks - tiles() : 0; }
  bool even() const { return tiles() % ranks == 0; }
  /// Share of the ranks' time in which they move tiles, in (0, 1].
  double used() const { return static_cast<double>(tiles()) / static_cast<double>(most() * ranks); }
};

/// Divisions that use all ranks alike, each one change away from what was asked for.
struct EvenDivisions {
  std::optional<Index> fewer_chains;  ///< none if there would be no chains
  Index more_chains = 0;
  std::optional<Index> tile_width;  ///< none if no width is even and leaves at most a tenth unused
  Index ranks = 1;                  ///< the fewest that take no longer
};

/// @param superchains  has to divide the number of chains; 0 if all start apart
/// @param width_unit   has to divide the tile width, beside kColumnBlock; >= 1
EvenDivisions even_divisions(const Division& division, Index superchains, Index width_unit);

/// One sentence if more than a tenth of the ranks' time would be spent waiting: what it costs, and
/// what mends it. Empty otherwise. Parameters as above.
std::string uneven_shares(const Division& division, Index superchains, Index width_unit);

}  // namespace flotilla
