// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The draws of one quantity, chain by chain: [chains x draws], the draw index contiguous.
struct ChainDraws {
  ChainDraws() = default;
  /// Zeros. @pre both >= 0
  ChainDraws(Index chain_count, Index draw_count)
      : values(static_cast<std::size_t>(chain_count * draw_count)),
        chains(chain_count),
        draws(draw_count) {}

  double* chain(Index c) { return values.data() + c * draws; }
  const double* chain(Index c) const { return values.data() + c * draws; }

  std::vector<double> values;
  Index chains = 0;
  Index draws = 0;
};

/// Every chain as two, its first and its second half; the middle draw of an odd number is left out.
/// A chain of one draw stays whole.
ChainDraws split_chains(const ChainDraws& draws);

/// Moments of each chain, [chains].
std::vector<Moments> chain_moments(const ChainDraws& draws);

/// Whether every value is finite and not all are the same: what R-hat and effective sample sizes
/// are defined for.
bool varies(const ChainDraws& draws);

}  // namespace flotilla
