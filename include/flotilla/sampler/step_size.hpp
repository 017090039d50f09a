// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flotilla/sampler/statistics.hpp"

namespace flotilla {

/// A fixed step size eps > 0. The sampling phase accepts no other kind.
class StepSize {
 public:
  /// @throws InputError unless 0 < value < infinity
  explicit StepSize(double value);
  double value() const { return value_; }

 private:
  double value_;
};

/// Dual averaging of log eps. It is driven by the mean acceptance probability of local moves over
/// all chains of all ranks; one update per window of steps.
///
/// freeze() consumes the object: after warm-up nothing is left that could adapt. Source: Hoffman &
/// Gelman 2014, section 3.2, eq. 6; gamma = 0.05, t0 = 10, kappa = 0.75.
class StepSizeAdaptation {
 public:
  /// @param target  acceptance rate to aim at, in (0, 1); 0.574 is optimal for MALA in high
  ///                dimension (Roberts & Rosenthal 1998)
  /// @throws InputError if target is not in (0, 1)
  StepSizeAdaptation(StepSize initial, double target);

  /// The step size to use until the next update.
  StepSize current() const;

  /// Adapts to the pooled statistics of one window. A window without local moves changes nothing.
  void update(const MoveStatistics& window);

  /// The averaged step size; the initial one if there was no update.
  StepSize freeze() &&;

 private:
  double target_;
  double shrink_to_;  ///< mu: iterates of the log step size are drawn towards it
  double log_step_;
  double log_average_;
  double gap_ = 0.0;  ///< H-bar: running mean of target - acceptance
  std::uint64_t updates_ = 0;
};

}  // namespace flotilla
