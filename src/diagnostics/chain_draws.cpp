// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/chain_draws.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flotilla {

ChainDraws split_chains(const ChainDraws& draws) {
  if (draws.draws < 2) return draws;
  const Index half = draws.draws / 2;
  ChainDraws halves(2 * draws.chains, half);
  for (Index c = 0; c < draws.chains; ++c) {
    std::copy_n(draws.chain(c), half, halves.chain(2 * c));
    std::copy_n(draws.chain(c) + draws.draws - half, half, halves.chain(2 * c + 1));
  }
  return halves;
}

std::vector<Moments> chain_moments(const ChainDraws& draws) {
  std::vector<Moments> moments(static_cast<std::size_t>(draws.chains));
  for (Index c = 0; c < draws.chains; ++c) {
    // Two passes over a chain in the cache are faster than one pass that divides, and as exact.
    const double* chain = draws.chain(c);
    const auto count = static_cast<double>(draws.draws);
    double sum = 0.0;
    for (Index i = 0; i < draws.draws; ++i) sum += chain[i];
    const double mean = sum / count;
    double deviations = 0.0;
    for (Index i = 0; i < draws.draws; ++i) deviations += (chain[i] - mean) * (chain[i] - mean);
    moments[static_cast<std::size_t>(c)] = Moments(count, mean, deviations);
  }
  return moments;
}

bool varies(const ChainDraws& draws) {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  for (const double value : draws.values) {
    if (!std::isfinite(value)) return false;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  return highest - lowest >= std::numeric_limits<double>::epsilon();
}

}  // namespace flotilla
