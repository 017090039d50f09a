// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/effective_size.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "diagnostics/autocovariance.hpp"
#include "flotilla/core/undefined.hpp"

namespace flotilla {
namespace {

/// The autocorrelation time of chains that are too short to tell, as in R's posterior.
constexpr double kShortestTime = 2.0;

/// Sum of the paired correlations. Each is made no larger than the one before it: the sequence
/// decreases from lag 0 to the last lag.
double monotone_sum(const std::vector<double>& correlation) {
  double sum = 0.0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t t = 0; t + 1 < correlation.size(); t += 2) {
    least = std::min(least, correlation[t] + correlation[t + 1]);
    sum += least;
  }
  return sum;
}

}  // namespace

void EffectiveSize::observe(double mean, std::span<const double> autocovariance) {
  assert(autocovariance.size() == covariance_.size());
  means_.observe(mean);
  for (std::size_t lag = 0; lag < covariance_.size(); ++lag) {
    covariance_[lag] += autocovariance[lag];
  }
}

double EffectiveSize::correlation(Index lag, double within, double total) const {
  return 1.0 - (within - covariance_[static_cast<std::size_t>(lag)] / means_.count()) / total;
}

std::optional<double> EffectiveSize::result() const {
  if (draws_ < 3) return kUndefined;
  const auto draws = static_cast<double>(draws_);
  const double within = covariance_[0] / means_.count() * draws / (draws - 1.0);
  const double total =
      within * (draws - 1.0) / draws + (means_.count() > 1.0 ? means_.variance() : 0.0);
  if (!(total > 0.0)) return kUndefined;

  // Add pairs of correlations (even lag, odd lag) while their sum is positive.
  if (lags() < 2) return std::nullopt;
  std::vector<double> pairs;
  double even = 1.0;
  double odd = correlation(1, within, total);
  Index t = 0;
  pairs.insert(pairs.end(), {even, odd});
  while (t < draws_ - 5 && even + odd > 0.0) {
    t += 2;
    if (t + 1 >= lags()) return std::nullopt;
    even = correlation(t, within, total);
    odd = correlation(t + 1, within, total);
    if (even + odd >= 0.0) pairs.insert(pairs.end(), {even, odd});
  }
  const double all = means_.count() * draws;
  if (t == 0) return all / kShortestTime;
  pairs.resize(static_cast<std::size_t>(t), 0.0);
  const double last = even + odd >= 0.0 ? even : std::max(even, 0.0);
  const double time = std::max(-1.0 + 2.0 * monotone_sum(pairs) + last, 1.0 / std::log10(all));
  return all / time;
}

double effective_size(const ChainDraws& draws) {
  if (!varies(draws)) return kUndefined;
  Autocovariance<double> autocovariance;
  for (Index lags = std::min<Index>(64, draws.draws);;
       lags = std::min<Index>(16 * lags, draws.draws)) {
    EffectiveSize size(draws.draws, lags);
    std::vector<double> covariance(static_cast<std::size_t>(lags));
    for (Index c = 0; c < draws.chains; ++c) {
      const double mean =
          autocovariance({draws.chain(c), static_cast<std::size_t>(draws.draws)}, covariance);
      size.observe(mean, covariance);
    }
    const std::optional<double> found = size.result();
    if (found || lags == draws.draws) return found.value_or(kUndefined);
  }
}

}  // namespace flotilla
