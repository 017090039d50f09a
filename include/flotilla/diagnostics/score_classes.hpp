#pragma once

#include <bit>
#include <cstdint>
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

  /// Counts one draw. @param standardised  finite
  void observe(float standardised) { ++counts_[class_of(standardised)]; }

  /// Ranks the classes. Nothing can be observed afterwards.
  /// @pre at least one draw was observed, at most 2^32 - 1
  void rank();

  float score(float standardised) const { return scores_[class_of(standardised)]; }
  /// The score of the distance from the median.
  float folded_score(float standardised) const { return folded_[class_of(standardised)]; }
  /// Quantiles of all draws, linear inside a class.
  double low_tail() const { return low_tail_; }  ///< 5 %
  double median() const { return median_; }
  double high_tail() const { return high_tail_; }  ///< 95 %

 private:
  static constexpr std::uint32_t kPerOctave = 1024;
  static constexpr std::uint32_t kOctaves = 16;
  static constexpr std::uint32_t kHalf = kPerOctave * kOctaves;

  /// Monotone: the leading bits of 1 + |v|, counted up on the right of the centre and down on its
  /// left.
  static std::uint32_t class_of(float v) {
    const float magnitude = 1.0F + (v < 0.0F ? -v : v);
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(magnitude) >> 13U;
    const std::uint32_t place = bits - (127U << 10U);
    const std::uint32_t bounded = place < kHalf ? place : kHalf - 1;
    return v < 0.0F ? kHalf - 1 - bounded : kHalf + bounded;
  }
  /// Where a class begins, standardised.
  static double edge(std::uint32_t number);
  double quantile(double p) const;
  void rank_folded();

  double centre_;
  double inverse_scale_;
  double total_ = 0.0;
  double low_tail_ = 0.0;
  double median_ = 0.0;
  double high_tail_ = 0.0;
  std::vector<std::uint32_t> counts_;
  std::vector<float> scores_;
  std::vector<float> folded_;
};

}  // namespace flotilla
