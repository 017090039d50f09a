// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>

#include "flotilla/io/run_reader.hpp"

namespace flotilla {

/// A range of coordinates of a variable.
struct CoordinateRange {
  Index first = 0;
  Index count = 0;
};

/// Calls `visit` with parts of a variable, each of some megabytes at most. The parts follow its
/// chunks and cover its complete draws once. @param range  of coordinates
template <typename Visit>
void for_each_slab(const RunVariable& variable, Visit visit, CoordinateRange range = {0, 1}) {
  constexpr Index kValues = Index{1} << 21U;
  const Index most_chains = std::max<Index>(1, kValues / range.count);
  const Index chains = std::min({variable.chunk_chains, variable.chains, most_chains});
  const Index most_draws = std::max<Index>(1, kValues / (chains * range.count));
  const Index draws = most_draws - most_draws % std::min(variable.chunk_draws, most_draws);
  for (Index c = 0; c < variable.chains; c += chains) {
    for (Index d = 0; d < variable.draws; d += draws) {
      visit(RunSlab{c, std::min(chains, variable.chains - c), d,
                    std::min(draws, variable.draws - d), range.first, range.count});
    }
  }
}

}  // namespace flotilla
