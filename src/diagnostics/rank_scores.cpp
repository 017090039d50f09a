// SPDX-License-Identifier: BSD-3-Clause
#include "diagnostics/rank_scores.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <cstdint>
#include <utility>

namespace flotilla {
namespace {

/// A value and its position.
using Placed = std::pair<double, std::uint32_t>;

std::vector<Placed> sorted_with_places(const std::vector<double>& values) {
  std::vector<Placed> placed(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    placed[i] = {values[i], static_cast<std::uint32_t>(i)};
  }
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.first < b.first; });
  return placed;
}

}  // namespace

double normal_score(double rank, double n) {
  using boost::math::policies::policy;
  using boost::math::policies::promote_double;
  constexpr policy<promote_double<false>> kPlain;
  const double p = (rank - 0.375) / (n + 0.25);
  return -std::sqrt(2.0) * boost::math::erfc_inv(2.0 * p, kPlain);
}

double quantile(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - std::floor(place);
  if (share == 0.0) return sorted[below];
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

ChainDraws normal_scores(const ChainDraws& draws) {
  const std::vector<Placed> placed = sorted_with_places(draws.values);
  const std::size_t count = placed.size();
  ChainDraws scores(draws.chains, draws.draws);
  for (std::size_t first = 0; first < count;) {
    std::size_t end = first + 1;
    while (end < count && placed[end].first == placed[first].first) ++end;
    const double rank = 0.5 * static_cast<double>(first + 1 + end);
    const double score = normal_score(rank, static_cast<double>(count));
    for (; first < end; ++first) scores.values[placed[first].second] = score;
  }
  return scores;
}

ChainDraws folded(const ChainDraws& draws, double centre) {
  ChainDraws distances = draws;
  for (double& value : distances.values) value = std::abs(value - centre);
  return distances;
}

}  // namespace flotilla
