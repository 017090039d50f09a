// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/diagnostics/moments.hpp"

namespace flotilla {

/// The draws of one quantity, [chains x draws]; the draw index is contiguous.
struct ChainDraws {
  ChainDraws() = default;
  /// Zeros. @pre chain_count >= 0 and draw_count >= 0
  ChainDraws(Index chain_count, Index draw_count)
      : values(static_cast<std::size_t>(chain_count * draw_count)),
        chains(chain_count),
        draws(draw_count) {}

  /// The draws of chain c, [draws].
  double* chain(Index c) { return values.data() + c * draws; }
  const double* chain(Index c) const { return values.data() + c * draws; }

  std::vector<double> values;  ///< [chains x draws]
  Index chains = 0;
  Index draws = 0;
};

/// Splits every chain into its first and its second half. An odd number of draws loses its middle
/// draw. A chain of one draw stays whole.
ChainDraws split_chains(const ChainDraws& draws);

/// Moments of every chain, [chains].
std::vector<Moments> chain_moments(const ChainDraws& draws);

/// Whether all values are finite and at least two differ. Otherwise R-hat and effective sample
/// sizes are not defined.
bool varies(const ChainDraws& draws);

}  // namespace flotilla
