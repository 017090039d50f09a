// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/undefined.hpp"

namespace flotilla {

/// Count, mean and sum of squared deviations of a series, without storing its values.
///
/// Source: Welford 1962 for observe(); Chan, Golub & LeVeque 1979 for merge().
class Moments {
 public:
  Moments() = default;
  /// @param deviations  sum of squared deviations from the mean
  Moments(double count, double mean, double deviations)
      : count_(count), mean_(mean), deviations_(deviations) {}

  /// Adds one value.
  void observe(double value) {
    count_ += 1.0;
    const double distance = value - mean_;
    mean_ += distance / count_;
    deviations_ += distance * (value - mean_);
  }

  /// Appends another series. The order of merges decides the last bits.
  void merge(const Moments& other) {
    if (other.count_ == 0.0) return;
    const double all = count_ + other.count_;
    const double distance = other.mean_ - mean_;
    mean_ += distance * (other.count_ / all);
    deviations_ += other.deviations_ + distance * distance * (count_ * other.count_ / all);
    count_ = all;
  }

  double count() const { return count_; }
  double mean() const { return mean_; }
  double deviations() const { return deviations_; }
  /// Sample variance, with count - 1 in the denominator; NaN for fewer than two values.
  double variance() const { return count_ > 1.0 ? deviations_ / (count_ - 1.0) : kUndefined; }

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(count_, mean_, deviations_);
  }

 private:
  double count_ = 0.0;
  double mean_ = 0.0;
  double deviations_ = 0.0;
};

}  // namespace flotilla
