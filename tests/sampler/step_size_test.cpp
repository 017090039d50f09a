// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/step_size.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "flotilla/core/error.hpp"

namespace flotilla::test {
namespace {

/// A window of 64 local moves, each with this acceptance probability.
MoveStatistics window_of(double acceptance) {
  StepOutcome outcome(64);
  for (Index c = 0; c < 64; ++c) outcome.acceptance(0, c) = acceptance;
  MoveStatistics window;
  window.observe(outcome, 64);
  return window;
}

TEST(StepSize, IsPositiveAndFinite) {
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_THROW(StepSize{bad}, InputError) << bad;
  }
  EXPECT_EQ(StepSize(0.3).value(), 0.3);
}

// The sampling phase does not accept what adapts, and what is frozen cannot adapt.
static_assert(!std::is_convertible_v<StepSizeAdaptation, StepSize>);
static_assert(std::is_invocable_v<decltype(&StepSizeAdaptation::freeze), StepSizeAdaptation&&>);
static_assert(!std::is_invocable_v<decltype(&StepSizeAdaptation::freeze), StepSizeAdaptation&>);

TEST(StepSizeAdaptation, FollowsTheEquationsOfHoffmanAndGelman) {
  StepSizeAdaptation adaptation(StepSize(0.5), 0.8);
  const double acceptances[] = {0.2, 0.9, 0.6, 0.75};
  double gap = 0.0;
  double average = 0.0;
  double step = 0.0;
  int m = 0;
  for (const double acceptance : acceptances) {
    ++m;
    adaptation.update(window_of(acceptance));
    gap = (1.0 - 1.0 / (m + 10.0)) * gap + (0.8 - acceptance) / (m + 10.0);
    step = std::log(10.0 * 0.5) - std::sqrt(static_cast<double>(m)) / 0.05 * gap;
    const double weight = std::pow(m, -0.75);
    average = weight * step + (1.0 - weight) * average;
    EXPECT_NEAR(adaptation.current().value(), std::exp(step), 1e-6 * std::exp(step));
  }
  EXPECT_EQ(m, 4);
  EXPECT_NEAR(std::move(adaptation).freeze().value(), std::exp(average), 1e-6 * std::exp(average));
}

// A model of a kernel whose acceptance rate falls with the step size: 1 / (1 + eps^2).
TEST(StepSizeAdaptation, FindsTheStepSizeOfItsTarget) {
  StepSizeAdaptation adaptation(StepSize(20.0), 0.574);
  for (int k = 0; k < 500; ++k) {
    const double eps = adaptation.current().value();
    adaptation.update(window_of(1.0 / (1.0 + eps * eps)));
  }
  const double wanted = std::sqrt(1.0 / 0.574 - 1.0);
  EXPECT_NEAR(std::move(adaptation).freeze().value(), wanted, 0.02 * wanted);
}

TEST(StepSizeAdaptation, LearnsNothingFromGlobalMoves) {
  StepOutcome outcome(64);
  for (Index c = 0; c < 64; ++c) outcome.global.set(c, true);
  MoveStatistics window;
  window.observe(outcome, 64);
  StepSizeAdaptation adaptation(StepSize(0.5), 0.8);
  adaptation.update(window);
  EXPECT_EQ(adaptation.current().value(), std::exp(std::log(0.5)));
  EXPECT_EQ(std::move(adaptation).freeze().value(), std::exp(std::log(0.5)));
}

TEST(StepSizeAdaptation, StaysWithinBoundsWhereNothingIsEverAccepted) {
  StepSizeAdaptation adaptation(StepSize(1.0), 0.8);
  for (int k = 0; k < 10000; ++k) adaptation.update(window_of(0.0));
  EXPECT_GT(adaptation.current().value(), 1e-9);
  for (int k = 0; k < 10000; ++k) adaptation.update(window_of(1.0));
  EXPECT_LT(adaptation.current().value(), 1e9);
}

TEST(StepSizeAdaptation, RefusesATargetThatIsNoRate) {
  for (const double bad : {0.0, 1.0, -0.5, std::nan("")}) {
    EXPECT_THROW(StepSizeAdaptation(StepSize(1.0), bad), InputError) << bad;
  }
}

}  // namespace
}  // namespace flotilla::test
