// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/quantity.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "diagnostics/rank_scores.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/effective_size.hpp"
#include "flotilla/diagnostics/rhat.hpp"

namespace flotilla {
namespace {

constexpr double kLowQuantile = 0.05;
constexpr double kHighQuantile = 0.95;

double rhat_of(const ChainDraws& split) {
  return varies(split) ? rhat(chain_moments(split)) : kUndefined;
}

std::vector<double> sorted(const ChainDraws& draws) {
  std::vector<double> values = draws.values;
  std::sort(values.begin(), values.end());
  return values;
}

/// 1 where a draw is at most the level, else 0.
ChainDraws at_most(const ChainDraws& draws, double level) {
  ChainDraws flags = draws;
  for (double& value : flags.values) value = value <= level ? 1.0 : 0.0;
  return flags;
}

double tail_size(const ChainDraws& draws, const std::vector<double>& ordered) {
  const auto size_at = [&](double p) {
    return effective_size(split_chains(at_most(draws, quantile(ordered, p))));
  };
  return smaller(size_at(kLowQuantile), size_at(kHighQuantile));
}

double rank_rhat(const ChainDraws& draws, const ChainDraws& scores, double median) {
  return larger(rhat_of(scores), rhat_of(normal_scores(split_chains(folded(draws, median)))));
}

/// @param halves  of chains, one after another
double chain_size(const ChainDraws& halves) {
  const std::vector<Moments> moments = chain_moments(halves);
  ChainSize size;
  for (std::size_t i = 0; i + 1 < moments.size(); i += 2) size.observe(moments[i], moments[i + 1]);
  return size.value();
}

/// Mean over chains of equal length; infinite if a draw is infinite.
double mean_of(const std::vector<Moments>& chains) {
  double sum = 0.0;
  for (const Moments& chain : chains) sum += chain.mean();
  return sum / static_cast<double>(chains.size());
}

double standard_deviation(const std::vector<Moments>& chains) {
  Moments all;
  for (const Moments& chain : chains) all.merge(chain);
  return std::sqrt(all.variance());
}

}  // namespace

QuantitySummary summarise(const ChainDraws& draws, Index superchains) {
  QuantitySummary summary;
  bool comparable = !draws.values.empty();
  for (const double value : draws.values) {
    if (!std::isfinite(value)) summary.non_finite += 1.0;
    comparable = comparable && !std::isnan(value);
  }
  if (!comparable) return summary;

  const std::vector<double> ordered = sorted(draws);
  const std::vector<Moments> chains = chain_moments(draws);
  summary.mean = mean_of(chains);
  summary.sd = standard_deviation(chains);
  summary.q5 = quantile(ordered, kLowQuantile);
  summary.median = quantile(ordered, 0.5);
  summary.q95 = quantile(ordered, kHighQuantile);

  const ChainDraws split = split_chains(draws);
  const ChainDraws scores = normal_scores(split);
  summary.mcse_mean = summary.sd / std::sqrt(effective_size(split));
  summary.ess_bulk = effective_size(scores);
  summary.rhat = rank_rhat(draws, scores, summary.median);
  if (!varies(draws)) return summary;
  if (draws.draws > 1) summary.ess_chain = chain_size(scores);
  summary.ess_tail = tail_size(draws, ordered);
  summary.nested_rhat = nested_rhat(chains, superchains);
  return summary;
}

}  // namespace flotilla
