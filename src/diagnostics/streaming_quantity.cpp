#include "flotilla/diagnostics/streaming_quantity.hpp"

#include <algorithm>
#include <cmath>

#include "diagnostics/undefined.hpp"

namespace flotilla {
namespace {

constexpr Index kFirstLags = 64;
constexpr Index kMoreLags = 8;

Moments moments_of(std::span<const float> series) {
  double sum = 0.0;
  for (const float value : series) sum += static_cast<double>(value);
  const auto count = static_cast<double>(series.size());
  const double mean = sum / count;
  double deviations = 0.0;
  for (const float value : series) {
    const double distance = static_cast<double>(value) - mean;
    deviations += distance * distance;
  }
  return {count, mean, deviations};
}

}  // namespace

void StreamingQuantity::rank(Index draws) {
  draws_ = draws;
  if (non_finite_ > 0.0) return;
  classes_.rank();
  low_tail_ = classes_.standardised(classes_.low_tail());
  high_tail_ = classes_.standardised(classes_.high_tail());
  restart(std::min(kFirstLags, draws_ / 2));
}

void StreamingQuantity::restart(Index lags) {
  sizes_.assign(kSeries, EffectiveSize(draws_ / 2, lags));
  all_ = {};
  nested_ = NestedRhat(std::max<Index>(superchain_width_, 1));
  bulk_ = {};
  folded_ = {};
}

template <typename T>
void StreamingQuantity::observe_chain(std::span<const T> chain, StreamingScratch& scratch) {
  if (non_finite_ > 0.0) return;
  scratch.series.resize(chain.size());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    scratch.series[i] = classes_.standardised(chain[i]);
  }
  const Moments moments = moments_of(scratch.series);
  all_.merge(moments);
  nested_.observe(moments);
  const std::size_t half = chain.size() / 2;
  if (half == 0) return;
  observe_half(0, half, scratch);
  observe_half(chain.size() - half, half, scratch);
}

void StreamingQuantity::observe_half(std::size_t first, std::size_t length,
                                     StreamingScratch& scratch) {
  const std::span<const float> series(scratch.series.data() + first, length);
  scratch.scores.resize(length);
  scratch.flags.resize(length);
  const auto each = [&](std::vector<float>& out, auto of) {
    for (std::size_t i = 0; i < length; ++i) out[i] = of(series[i]);
  };
  each(scratch.flags, [&](float v) { return classes_.folded_score(v); });
  folded_.observe(moments_of(scratch.flags));
  each(scratch.scores, [&](float v) { return classes_.score(v); });
  bulk_.observe(moments_of(scratch.scores));
  observe_series(kValues, series, scratch);
  observe_series(kScores, scratch.scores, scratch);
  each(scratch.flags, [&](float v) { return v <= low_tail_ ? 1.0F : 0.0F; });
  observe_series(kLowTail, scratch.flags, scratch);
  each(scratch.flags, [&](float v) { return v <= high_tail_ ? 1.0F : 0.0F; });
  observe_series(kHighTail, scratch.flags, scratch);
}

void StreamingQuantity::observe_series(Series which, std::span<const float> series,
                                       StreamingScratch& scratch) {
  EffectiveSize& size = sizes_[which];
  scratch.covariance.resize(static_cast<std::size_t>(size.lags()));
  const double mean = scratch.autocovariance(series, scratch.covariance);
  size.observe(mean, scratch.covariance);
}

bool StreamingQuantity::needs_more_lags() {
  const Index half = draws_ / 2;
  if (non_finite_ > 0.0 || sizes_.front().lags() == half) return false;
  const bool ended = std::all_of(sizes_.begin(), sizes_.end(), [](const EffectiveSize& size) {
    return size.result().has_value();
  });
  if (ended) return false;
  restart(std::min(sizes_.front().lags() * kMoreLags, half));
  return true;
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
  summary.rhat = larger(bulk_.value(), folded_.value());
  if (superchain_width_ > 0) summary.nested_rhat = nested_.value();
  return summary;
}

template void StreamingQuantity::observe_chain(std::span<const float>, StreamingScratch&);
template void StreamingQuantity::observe_chain(std::span<const double>, StreamingScratch&);

}  // namespace flotilla
