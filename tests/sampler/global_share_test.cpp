// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/global_share.hpp"

#include <gtest/gtest.h>

namespace flotilla::test {
namespace {

/// A window of 64 moves with this acceptance probability, of one kind.
MoveStatistics window_of(double acceptance, bool global) {
  StepOutcome outcome(64);
  for (Index c = 0; c < 64; ++c) {
    outcome.acceptance(0, c) = acceptance;
    outcome.global.set(c, global);
  }
  MoveStatistics window;
  window.observe(outcome, 64);
  return window;
}

TEST(GlobalShare, RisesWithTheAcceptanceRateFromItsFloorToItsCeiling) {
  struct Case {
    double rate, share;
  };
  int tried = 0;
  for (const Case& expected : {Case{0.0, 0.05},
                               {0.005, 0.225},
                               {0.01, 0.4},
                               {0.6, 0.4},
                               {0.7, 0.5},
                               {0.8, 0.7},
                               {0.9, 0.9},
                               {1.0, 0.9}}) {
    GlobalShare share;
    EXPECT_EQ(share.current(), GlobalShare::kInitial);
    for (int k = 0; k < 10; ++k) share.update(window_of(expected.rate, true));
    EXPECT_NEAR(share.current(), expected.share, 1e-6);
    ++tried;
  }
  EXPECT_EQ(tried, 8);
}

TEST(GlobalShare, IsLargerWhereWeightsAreBounded) {
  GlobalShare bounded(true);
  GlobalShare unbounded(false);
  for (GlobalShare* share : {&bounded, &unbounded}) share->update(window_of(0.6, true));
  EXPECT_NEAR(bounded.current(), 0.7, 1e-6);
  EXPECT_NEAR(unbounded.current(), 0.4, 1e-6);
}

TEST(GlobalShare, FollowsAnAcceptanceRateThatDrifts) {
  GlobalShare share;
  for (int k = 0; k < 20; ++k) share.update(window_of(0.2, true));
  for (int k = 0; k < 180; ++k) share.update(window_of(0.8, true));
  EXPECT_NEAR(share.current(), 0.7, 0.03);
}

TEST(GlobalShare, LearnsNothingFromLocalMoves) {
  GlobalShare share;
  share.update(window_of(0.9, false));
  EXPECT_EQ(share.current(), GlobalShare::kInitial);
}

}  // namespace
}  // namespace flotilla::test
