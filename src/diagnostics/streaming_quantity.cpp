// SPDX-License-Identifier: BSD-3-Clause
#include "diagnostics/streaming_quantity.hpp"

#include <algorithm>
#include <cmath>

#include "diagnostics/lane_sum.hpp"
#include "flotilla/core/undefined.hpp"

namespace flotilla {
namespace {

constexpr Index kFirstLags = 256;
constexpr Index kMoreLags = 4;

Moments moments_of(std::span<const float> series) {
  const auto count = static_cast<double>(series.size());
  const double mean = sum_of(series, [](float v) { return static_cast<double>(v); }) / count;
  return {count, mean, sum_of(series, [mean](float v) {
            const double from = static_cast<double>(v) - mean;
            return from * from;
          })};
}

}  // namespace

template <typename T>
void StreamingQuantity::count(std::span<const T> draws) {
  non_finite_ += classes_.observe(draws);
}

void StreamingQuantity::rank(Index draws) {
  draws_ = draws;
  if (non_finite_ > 0.0) return;
  classes_.rank();
  low_tail_ = classes_.low_tail_end();
  high_tail_ = classes_.high_tail_end();
  nested_ = NestedRhat(std::max<Index>(superchain_width_, 1));
  sizes_.assign(kSeries, EffectiveSize(draws_ / 2, std::min(kFirstLags, draws_ / 2)));
}

template <typename T>
void StreamingQuantity::observe_chain(std::span<const T> chain, StreamingScratch& scratch) {
  if (non_finite_ > 0.0) return;
  scratch.series.resize(chain.size());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    scratch.series[i] = classes_.standardised(chain[i]);
  }
  if (first_reading_) {
    const Moments moments = moments_of(scratch.series);
    all_.merge(moments);
    nested_.observe(moments);
  }
  const std::size_t half = chain.size() / 2;
  if (half == 0) return;
  const Moments first = observe_half({scratch.series.data(), half}, scratch);
  const Moments second = observe_half({scratch.series.data() + chain.size() - half, half}, scratch);
  if (first_reading_) chain_size_.observe(first, second);
}

Moments StreamingQuantity::observe_half(std::span<const float> half, StreamingScratch& scratch) {
  if (wanted(kValues)) observe_series(kValues, half, scratch);
  if (wanted(kScores)) {
    scratch.scores.resize(half.size());
    scratch.folded.resize(half.size());
    classes_.score(half, scratch.scores, scratch.folded);
    observe_series(kScores, scratch.scores, scratch);
  }
  Moments scores;
  if (first_reading_) {
    scores = moments_of(scratch.scores);
    bulk_.observe(scores);
    folded_.observe(moments_of(scratch.folded));
  }
  if (wanted(kLowTail)) observe_tail(kLowTail, half, low_tail_, scratch);
  if (wanted(kHighTail)) observe_tail(kHighTail, half, high_tail_, scratch);
  return scores;
}

void StreamingQuantity::observe_series(Series which, std::span<const float> series,
                                       StreamingScratch& scratch) {
  EffectiveSize& size = sizes_[which];
  scratch.covariance.resize(static_cast<std::size_t>(size.lags()));
  const double mean = scratch.autocovariance(series, scratch.covariance);
  size.observe(mean, scratch.covariance);
}

void StreamingQuantity::observe_tail(Series which, std::span<const float> series, float level,
                                     StreamingScratch& scratch) {
  EffectiveSize& size = sizes_[which];
  scratch.flags.resize(series.size());
  for (std::size_t i = 0; i < series.size(); ++i) scratch.flags[i] = series[i] < level ? 1 : 0;
  scratch.covariance.resize(static_cast<std::size_t>(size.lags()));
  const double mean = scratch.flag_autocovariance(scratch.flags, scratch.covariance);
  size.observe(mean, scratch.covariance);
}

bool StreamingQuantity::needs_more_lags() {
  if (non_finite_ > 0.0) return false;
  first_reading_ = false;
  const Index half = draws_ / 2;
  bool more = false;
  for (std::size_t k = 0; k < kSeries; ++k) {
    ended_[k] = ended_[k] || sizes_[k].lags() == half || sizes_[k].result().has_value();
    if (ended_[k]) continue;
    sizes_[k] = EffectiveSize(half, std::min(sizes_[k].lags() * kMoreLags, half));
    more = true;
  }
  return more;
}

double StreamingQuantity::effective_size(Series which) const {
  return sizes_[which].result().value_or(kUndefined);
}

QuantitySummary StreamingQuantity::summary() const {
  QuantitySummary summary;
  summary.non_finite = non_finite_;
  if (non_finite_ > 0.0) return summary;
  summary.mean = classes_.centre() + classes_.scale() * all_.mean();
  summary.sd = classes_.scale() * std::sqrt(all_.variance());
  summary.q5 = classes_.low_tail();
  summary.median = classes_.median();
  summary.q95 = classes_.high_tail();
  summary.mcse_mean = summary.sd / std::sqrt(effective_size(kValues));
  summary.ess_bulk = effective_size(kScores);
  summary.ess_tail = smaller(effective_size(kLowTail), effective_size(kHighTail));
  summary.ess_chain = chain_size_.value();
  summary.rhat = larger(bulk_.value(), folded_.value());
  if (superchain_width_ > 0) summary.nested_rhat = nested_.value();
  return summary;
}

template void StreamingQuantity::count(std::span<const float>);
template void StreamingQuantity::count(std::span<const double>);
template void StreamingQuantity::observe_chain(std::span<const float>, StreamingScratch&);
template void StreamingQuantity::observe_chain(std::span<const double>, StreamingScratch&);

}  // namespace flotilla
