// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/step_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

constexpr double kGamma = 0.05;
constexpr double kT0 = 10.0;
constexpr double kKappa = 0.75;

// Far beyond what any flow needs, and far within what exp can take.
constexpr double kLargestLogStep = 20.0;

}  // namespace

StepSize::StepSize(double value) : value_(value) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw InputError(fmt::format("step size should be positive and finite but is {}", value));
  }
}

StepSizeAdaptation::StepSizeAdaptation(StepSize initial, double target)
    : target_(target),
      shrink_to_(elementary::log(10.0 * initial.value())),
      log_step_(elementary::log(initial.value())),
      log_average_(log_step_) {
  if (!(target > 0.0 && target < 1.0)) {
    throw InputError(fmt::format("target acceptance rate should be in (0, 1) but is {}", target));
  }
}

StepSize StepSizeAdaptation::current() const {
  return StepSize(elementary::exp(log_step_));
}

void StepSizeAdaptation::update(const MoveStatistics& window) {
  const MoveTotals totals(window);
  if (totals.local_moves() == 0.0) return;
  updates_ += 1;
  const auto m = static_cast<double>(updates_);
  const double weight = 1.0 / (m + kT0);
  gap_ = (1.0 - weight) * gap_ + weight * (target_ - totals.local_acceptance_rate());
  log_step_ = shrink_to_ - std::sqrt(m) / kGamma * gap_;
  log_step_ = std::clamp(log_step_, -kLargestLogStep, kLargestLogStep);
  const double forget = elementary::exp(-kKappa * elementary::log(m));
  log_average_ = forget * log_step_ + (1.0 - forget) * log_average_;
}

StepSize StepSizeAdaptation::freeze() && {
  return StepSize(elementary::exp(log_average_));
}

}  // namespace flotilla
