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

/// The buffers of StreamingQuantity::observe_chain(), shared by any number of quantities.
struct StreamingScratch {
  std::vector<float> series;
  std::vector<float> scores;
  std::vector<float> folded;
  std::vector<std::uint8_t> flags;
  std::vector<double> covariance;
  Autocovariance<float> autocovariance;
  FlagAutocovariance flag_autocovariance;
};

/// The summary of one quantity, gathered chain by chain, when its draws do not fit into memory.
///
/// Two readings: count() every draw; after rank(), observe_chain() every chain in order; where
/// that leaves needs_more_lags(), observe_chain() every chain again, with as many as it asks for.
/// Ranks are those of ScoreClasses and sums are of floats: figures agree with summarise() to about
/// 1e-3 of their Monte Carlo errors.
class StreamingQuantity {
 public:
  /// @param centre, scale  of a sample of the draws; scale > 0
  /// @param superchain_width  chains of a superchain; 0 where chains have starts of their own
  StreamingQuantity(double centre, double scale, Index superchain_width)
      : classes_(centre, scale), superchain_width_(superchain_width), nested_(1) {}

  /// Counts draws, in any order.
  template <typename T>
  void count(std::span<const T> draws);

  /// After the last count(). @param draws  of each chain, >= 1
  void rank(Index draws);

  /// Gathers one chain. @param chain  all its draws, in order
  template <typename T>
  void observe_chain(std::span<const T> chain, StreamingScratch& scratch);

  /// After all chains. @returns whether they have to be observed again
  bool needs_more_lags();

  /// After all chains. @pre !needs_more_lags()
  QuantitySummary summary() const;

 private:
  /// The four series whose effective sizes are wanted.
  enum Series : std::size_t { kValues, kScores, kLowTail, kHighTail, kSeries };

  bool wanted(Series which) const { return !ended_[which]; }
  void observe_half(std::span<const float> half, StreamingScratch& scratch);
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
  std::array<bool, kSeries> ended_{};  ///< whose effective size is known
  bool first_reading_ = true;
  Moments all_;        ///< standardised
  NestedRhat nested_;  ///< of whole chains
  Rhat bulk_;          ///< of half chains, as is the next
  Rhat folded_;
};

}  // namespace flotilla
