// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "diagnostics/autocovariance.hpp"
#include "diagnostics/score_classes.hpp"
#include "flotilla/diagnostics/effective_size.hpp"
#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/diagnostics/rhat.hpp"

namespace flotilla {

/// Buffers of StreamingQuantity::observe_chain(). Any number of quantities can share them.
struct StreamingScratch {
  std::vector<float> series;
  std::vector<float> scores;
  std::vector<float> folded;
  std::vector<std::uint8_t> flags;
  std::vector<double> covariance;
  Autocovariance<float> autocovariance;
  FlagAutocovariance flag_autocovariance;
};

/// The summary of one quantity whose draws do not fit in memory. Chains are added one by one.
///
/// It takes two readings. First count() every draw, then rank(), then observe_chain() every chain
/// in order. If needs_more_lags() is then true, observe_chain() every chain again, with as many
/// lags as it asks for. Ranks come from ScoreClasses, and sums are in float. Figures agree with
/// summarise() within about 1e-3 of their Monte Carlo errors.
class StreamingQuantity {
 public:
  /// @param centre, scale     of a sample of the draws; scale > 0
  /// @param superchain_width  chains of a superchain; 0 if every chain has its own start
  StreamingQuantity(double centre, double scale, Index superchain_width)
      : classes_(centre, scale), superchain_width_(superchain_width), nested_(1) {}

  /// Counts draws, in any order.
  template <typename T>
  void count(std::span<const T> draws);

  /// Call it after the last count(). @param draws  of each chain, >= 1
  void rank(Index draws);

  /// Adds one chain. @param chain  all its draws, in order
  template <typename T>
  void observe_chain(std::span<const T> chain, StreamingScratch& scratch);

  /// Call it after all chains. @returns whether they have to be observed again
  bool needs_more_lags();

  /// Call it after all chains. @pre !needs_more_lags()
  QuantitySummary summary() const;

 private:
  /// The four series that have an effective sample size.
  enum Series : std::size_t { kValues, kScores, kLowTail, kHighTail, kSeries };

  bool wanted(Series which) const { return !ended_[which]; }
  /// @returns the moments of its scores, in the first reading
  Moments observe_half(std::span<const float> half, StreamingScratch& scratch);
  void observe_series(Series which, std::span<const float> series, StreamingScratch& scratch);
  void observe_tail(Series which, std::span<const float> series, float level,
                    StreamingScratch& scratch);
  double effective_size(Series which) const;

  ScoreClasses classes_;
  Index superchain_width_;
  double non_finite_ = 0.0;
  Index draws_ = 0;
  float low_tail_ = 0.0F;
  float high_tail_ = 0.0F;
  std::vector<EffectiveSize> sizes_;
  std::array<bool, kSeries> ended_{};  ///< whether the effective size is known
  bool first_reading_ = true;
  Moments all_;        ///< standardised
  NestedRhat nested_;  ///< of whole chains
  Rhat bulk_;          ///< of half chains; likewise the next
  Rhat folded_;
  ChainSize chain_size_;  ///< of the scores
};

}  // namespace flotilla
