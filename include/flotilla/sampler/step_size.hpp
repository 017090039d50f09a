// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "flotilla/sampler/statistics.hpp"

namespace flotilla {

/// A fixed step size eps > 0. The sampling phase accepts no other kind.
class StepSize {
 public:
  /// @throws InputError unless 0 < value < infinity
  explicit StepSize(double value);
  double value() const { return value_; }

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(value_);
  }

 private:
  double value_;
};

/// Finds the step size at which local moves are accepted as often as wanted, by regression. It is
/// driven by the mean acceptance probability of local moves over all chains of all ranks; one
/// update per window of steps.
///
/// A line through (log eps, acceptance rate) of the windows so far is solved for the target. Older
/// windows count less; a prior keeps the slope within what flows show. freeze() consumes the
/// object: after warm-up nothing is left that could adapt. Source: src/README.md, adaptation.
class StepSizeAdaptation {
 public:
  /// @param target  acceptance rate to aim at, in (0, 1)
  /// @throws InputError if target is not in (0, 1)
  StepSizeAdaptation(StepSize initial, double target);

  /// The step size to use until the next update.
  StepSize current() const;

  /// Adapts to the pooled statistics of one window. A window without local moves changes nothing.
  ///
  /// @param used  the step size that the window was run with, which need not be current()
  void update(StepSize used, const MoveStatistics& window);

  /// The step size to sample with: of those that windows were run with and at which moves were
  /// accepted, the one nearest to the solution. Without such a window it is current(), the initial
  /// one or a smaller one.
  StepSize freeze() &&;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(log_step_, log_tried_, updates_, weight_, u_, a_, uu_, ua_);
  }

 private:
  /// The log step size at which the line reaches the target, and at most one move of an update away
  /// from `used`.
  double solve(double used, double acceptance) const;

  double target_;
  double log_step_;
  std::optional<double> log_tried_;  ///< log of what freeze() returns
  std::uint64_t updates_ = 0;
  // Sums over windows, each with its weight: of 1, of u = log eps, of a = acceptance rate, of u^2,
  // of u a.
  double weight_ = 0.0;
  double u_ = 0.0;
  double a_ = 0.0;
  double uu_ = 0.0;
  double ua_ = 0.0;
};

}  // namespace flotilla
