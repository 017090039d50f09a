// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/step_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"
#include "sampler/window_memory.hpp"

namespace flotilla {
namespace {

// The slope of the acceptance rate, per nat of step size: what is expected before windows differ,
// how much they have to differ (a variance, in nats^2), and what no flow goes beyond.
constexpr double kSlope = -0.35;
constexpr double kPrior = 0.02;
constexpr double kSteepest = -0.8;
constexpr double kFlattest = -0.12;

// The largest move of an update, in nats, and where nothing is accepted.
constexpr double kLargestMove = 1.0;
constexpr double kRetreat = 2.0;

// Far beyond what any flow needs, and far within what exp can take.
constexpr double kLargestLogStep = 20.0;

}  // namespace

StepSize::StepSize(double value) : value_(value) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw InputError(fmt::format("step size should be positive and finite but is {}", value));
  }
}

StepSizeAdaptation::StepSizeAdaptation(StepSize initial, double target)
    : target_(target), log_step_(elementary::log(initial.value())) {
  if (!(target > 0.0 && target < 1.0)) {
    throw InputError(fmt::format("target acceptance rate should be in (0, 1) but is {}", target));
  }
}

StepSize StepSizeAdaptation::current() const {
  return StepSize(elementary::exp(log_step_));
}

void StepSizeAdaptation::update(StepSize used, const MoveStatistics& window) {
  const MoveTotals totals(window);
  if (totals.local_moves() == 0.0) return;
  const double u = elementary::log(used.value());
  const double a = totals.local_acceptance_rate();
  updates_ += 1;
  const double keep = kept_of_windows(updates_);
  weight_ = keep * weight_ + 1.0;
  u_ = keep * u_ + u;
  a_ = keep * a_ + a;
  uu_ = keep * uu_ + u * u;
  ua_ = keep * ua_ + u * a;
  log_step_ = solve(u, a);
  if (a == 0.0) return;
  if (!log_tried_ || std::abs(u - log_step_) <= std::abs(*log_tried_ - log_step_)) log_tried_ = u;
}

double StepSizeAdaptation::solve(double used, double acceptance) const {
  const double mean_u = u_ / weight_;
  const double mean_a = a_ / weight_;
  const double variance = uu_ / weight_ - mean_u * mean_u;
  const double covariance = ua_ / weight_ - mean_u * mean_a;
  const double slope =
      std::clamp((covariance + kPrior * kSlope) / (variance + kPrior), kSteepest, kFlattest);
  const double solution = mean_u + (target_ - mean_a) / slope;
  const double reach = acceptance > 0.0 ? kLargestMove : kRetreat;
  return std::clamp(std::clamp(solution, used - reach, used + reach), -kLargestLogStep,
                    kLargestLogStep);
}

StepSize StepSizeAdaptation::freeze() && {
  return StepSize(elementary::exp(log_tried_.value_or(log_step_)));
}

}  // namespace flotilla
