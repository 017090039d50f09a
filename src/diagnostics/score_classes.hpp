// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// Normal scores of more draws of one quantity than memory holds: ranks of classes, found by
/// counting, in place of ranks of values, found by sorting.
///
/// A class is a thousandth of the scale wide near the centre, and a thousandth of the distance from
/// it far out, up to 65,536 scales, beyond which all draws are one class. Draws of a class tie.
/// First observe() every draw, then rank(), then ask.
class ScoreClasses {
 public:
  /// @param centre, scale  of a sample of the draws; scale > 0
  ScoreClasses(double centre, double scale);

  /// The draw on the scale of the classes.
  template <typename T>
  float standardised(T value) const {
    return static_cast<float>((static_cast<double>(value) - centre_) * inverse_scale_);
  }
  double centre() const { return centre_; }
  double scale() const { return 1.0 / inverse_scale_; }

  /// Counts draws. @returns how many of them are not finite: then no rank means anything
  template <typename T>
  double observe(std::span<const T> draws);

  /// Ranks the classes. Nothing can be observed afterwards.
  /// @pre at least one draw was observed, at most 2^32 - 1
  void rank();

  /// The normal scores of draws, and those of their distances from the median.
  ///
  /// @param standardised  [n] @param scores, folded  [n], overwritten
  void score(std::span<const float> standardised, std::span<float> scores,
             std::span<float> folded) const;

  /// Quantiles of all draws, linear inside a class.
  double low_tail() const { return low_tail_; }  ///< 5 %
  /// Where the classes of these two end, standardised: draws that tie with them are below.
  float low_tail_end() const { return low_tail_end_; }
  float high_tail_end() const { return high_tail_end_; }
  double median() const { return median_; }
  double high_tail() const { return high_tail_; }  ///< 95 %

 private:
  /// Both in one cache line.
  struct Scores {
    float plain = 0.0F;
    float folded = 0.0F;
  };

  static constexpr std::uint32_t kPerOctave = 1024;
  static constexpr std::uint32_t kOctaves = 16;
  static constexpr std::uint32_t kHalf = kPerOctave * kOctaves;

  /// Monotone: the leading bits of 1 + |v|, counted up on the right of the centre and down on its
  /// left.
  static std::int32_t class_of(float v) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(1.0F + std::abs(v)) >> 13U;
    const auto place = static_cast<std::int32_t>(bits - (127U << 10U));
    const std::int32_t bounded = std::min(place, static_cast<std::int32_t>(kHalf) - 1);
    const std::int32_t sign = std::bit_cast<std::int32_t>(v) >> 31;  // all ones on the left
    return static_cast<std::int32_t>(kHalf) + (bounded ^ sign);
  }
  /// Where a class begins, standardised.
  static double edge(std::uint32_t number);
  double quantile(double p) const;
  void rank_folded();

  double centre_;
  double inverse_scale_;
  double total_ = 0.0;
  float low_tail_end_ = 0.0F;
  float high_tail_end_ = 0.0F;
  double low_tail_ = 0.0;
  double median_ = 0.0;
  double high_tail_ = 0.0;
  std::vector<std::uint32_t> counts_;
  std::vector<Scores> scores_;  ///< of each class
};

}  // namespace flotilla
