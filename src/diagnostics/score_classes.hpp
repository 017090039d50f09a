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

/// Normal scores of more draws of one quantity than fit in memory. Counting ranks classes of draws,
/// where sorting would rank draws.
///
/// Near the centre a class is a thousandth of the scale wide. Far out it is a thousandth of its
/// distance from the centre wide. Beyond 65,536 scales all draws are one class. Draws of a class
/// tie. First observe() every draw, then call rank(), then ask.
class ScoreClasses {
 public:
  /// @param centre, scale  of a sample of the draws, in their unit; scale > 0
  ScoreClasses(double centre, double scale);

  /// The draw in units of the scale, from the centre.
  template <typename T>
  float standardised(T value) const {
    return static_cast<float>((static_cast<double>(value) - centre_) * inverse_scale_);
  }
  double centre() const { return centre_; }
  double scale() const { return 1.0 / inverse_scale_; }

  /// Counts draws. @returns the number of draws that are not finite; if there are any, ranks mean
  /// nothing
  template <typename T>
  double observe(std::span<const T> draws);

  /// Ranks the classes. Call it after the last observe().
  /// @pre at least one draw was observed, at most 2^32 - 1
  void rank();

  /// Normal scores of draws, and of their distances from the median.
  ///
  /// @param standardised  [n] @param scores, folded  [n], overwritten
  void score(std::span<const float> standardised, std::span<float> scores,
             std::span<float> folded) const;

  /// Quantiles of all draws, linear inside a class.
  double low_tail() const { return low_tail_; }  ///< 5 %
  /// The upper ends of the classes of both quantiles, standardised. Draws of these classes count as
  /// below the quantile.
  float low_tail_end() const { return low_tail_end_; }
  float high_tail_end() const { return high_tail_end_; }
  double median() const { return median_; }
  double high_tail() const { return high_tail_; }  ///< 95 %

 private:
  /// Both scores of a class, in one cache line.
  struct Scores {
    float plain = 0.0F;
    float folded = 0.0F;
  };

  static constexpr std::uint32_t kPerOctave = 1024;
  static constexpr std::uint32_t kOctaves = 16;
  static constexpr std::uint32_t kHalf = kPerOctave * kOctaves;

  /// The class of a standardised value v; it grows with v. It counts the leading bits of 1 + |v|:
  /// upwards right of the centre, downwards left of it.
  static std::int32_t class_of(float v) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(1.0F + std::abs(v)) >> 13U;
    const auto place = static_cast<std::int32_t>(bits - (127U << 10U));
    const std::int32_t bounded = std::min(place, static_cast<std::int32_t>(kHalf) - 1);
    const std::int32_t sign = std::bit_cast<std::int32_t>(v) >> 31;  // all ones on the left
    return static_cast<std::int32_t>(kHalf) + (bounded ^ sign);
  }
  /// The lower end of a class, standardised.
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
  std::vector<Scores> scores_;  ///< one per class
};

}  // namespace flotilla
