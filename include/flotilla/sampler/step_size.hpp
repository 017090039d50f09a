// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flotilla/sampler/statistics.hpp"

namespace flotilla {

/// A step size eps > 0 that nothing changes: the only kind that the sampling phase can be given.
class StepSize {
 public:
  /// @throws InputError unless 0 < value < infinity
  explicit StepSize(double value);
  double value() const { return value_; }

 private:
  double value_;
};

/// Dual averaging of log eps, driven by the mean acceptance probability of local moves over all
/// chains of all ranks, one update for each window of steps.
///
/// Ends with freeze(), which consumes it: after warm-up there is nothing left that could adapt.
/// Source: Hoffman & Gelman 2014, section 3.2, eq. 6; gamma = 0.05, t0 = 10, kappa = 0.75.
class StepSizeAdaptation {
 public:
  /// @param target  acceptance rate aimed at, in (0, 1); 0.574 is optimal for MALA in high
  /// dimension
  ///                (Roberts & Rosenthal 1998)
  /// @throws InputError where target is not in (0, 1)
  StepSizeAdaptation(StepSize initial, double target);

  /// The step size to explore with until the next update.
  StepSize current() const;

  /// Learns from the pooled statistics of one window; one without local moves teaches nothing.
  void update(const MoveStatistics& window);

  /// The averaged step size: the initial one where nothing was ever learnt.
  StepSize freeze() &&;

 private:
  double target_;
  double shrink_to_;  ///< mu, the log step size that the iterates are drawn towards
  double log_step_;
  double log_average_;
  double gap_ = 0.0;  ///< H-bar, the running mean of target - acceptance
  std::uint64_t updates_ = 0;
};

}  // namespace flotilla
