// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace flotilla::test {
namespace {

StepOutcome outcome_of(Index chains) {
  StepOutcome outcome(chains);
  for (Index c = 0; c < chains; ++c) {
    outcome.acceptance(0, c) = static_cast<double>(c) / static_cast<double>(chains);
    outcome.squared_jump(0, c) = 0.25 * static_cast<double>(c);
    outcome.accepted.set(c, c % 2 == 0);
    outcome.global.set(c, c % 3 == 0);
    outcome.diverging.set(c, c == 5);
  }
  return outcome;
}

TEST(MoveStatistics, GivesBackTheRatesOfWhatItSaw) {
  MoveStatistics statistics;
  statistics.observe(outcome_of(12), 12);
  const MoveTotals totals(statistics);
  EXPECT_EQ(totals.moves(), 12.0);
  EXPECT_EQ(totals.global_moves(), 4.0);
  // Units of 2^-24: rounding is below 3e-8.
  EXPECT_NEAR(totals.global_acceptance_rate(), (0.0 + 3.0 + 6.0 + 9.0) / 12.0 / 4.0, 3e-8);
  EXPECT_NEAR(totals.local_acceptance_rate(), 48.0 / 12.0 / 8.0, 3e-8);
  EXPECT_NEAR(totals.mean_squared_jump(), 0.25 * 66.0 / 12.0, 1e-5);
  EXPECT_EQ(totals.non_finite(), 1.0);
}

TEST(MoveStatistics, LeavesPaddingOut) {
  MoveStatistics statistics;
  statistics.observe(outcome_of(12), 4);
  EXPECT_EQ(MoveTotals(statistics).moves(), 4.0);
  EXPECT_EQ(MoveTotals(statistics).non_finite(), 0.0);
}

TEST(MoveStatistics, AddsUpInAnyOrderToTheSameIntegers) {
  MoveStatistics parts[3];
  for (Index k = 0; k < 3; ++k) parts[k].observe(outcome_of(7 + k), 7 + k);
  MoveStatistics forward = parts[0];
  forward.merge(parts[1]);
  forward.merge(parts[2]);
  MoveStatistics backward = parts[2];
  backward.merge(parts[1]);
  backward.merge(parts[0]);
  EXPECT_EQ(forward.sums(), backward.sums());
}

TEST(MoveStatistics, CapsAJumpThatIsNotFinite) {
  StepOutcome outcome(1);
  outcome.squared_jump(0, 0) = INFINITY;
  MoveStatistics statistics;
  statistics.observe(outcome, 1);
  EXPECT_EQ(MoveTotals(statistics).mean_squared_jump(), 0x1p20);
}

TEST(MoveTotals, OfNothingAreNotNumbers) {
  const MoveTotals nothing;
  EXPECT_TRUE(std::isnan(nothing.local_acceptance_rate()));
  EXPECT_TRUE(std::isnan(nothing.global_acceptance_rate()));
  EXPECT_TRUE(std::isnan(nothing.mean_squared_jump()));
}

TEST(MoveTotals, DoNotOverflowInALongRun) {
  MoveStatistics window;
  window.observe(outcome_of(64), 64);
  MoveTotals totals;
  for (int doubling = 0; doubling < 24; ++doubling) window.merge(window);
  for (int k = 0; k < 1000000; ++k) totals.add(window);
  EXPECT_GT(totals.moves(), 1e15);  // squared jumps alone are more than 2^63 units
  EXPECT_NEAR(totals.mean_squared_jump(), 0.25 * 63.0 / 2.0, 1e-5);
}

}  // namespace
}  // namespace flotilla::test
