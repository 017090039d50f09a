// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/adaptation.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "flotilla/core/random.hpp"

namespace flotilla::test {
namespace {

WindowSums window_of(double acceptance, double deviation) {
  StepOutcome outcome(64);
  Batch<double> z(2, 64);
  Random(4).normals(Purpose::kStart, 0, 0, z);
  for (Index c = 0; c < 64; ++c) {
    outcome.acceptance(0, c) = acceptance;
    z(1, c) *= deviation;
  }
  WindowSums window;
  window.moves.observe(outcome, 64);
  LatentSpread spread(2);
  spread.observe(z, {}, 64);
  window.spread = spread.sums();
  return window;
}

Tuning tuned(Adaptive adaptive) {
  Adaptation adaptation({StepSize(0.5), 0.25}, adaptive, 0.8, 2);
  for (int k = 0; k < 5; ++k) {
    adaptation.update(adaptation.current().step_size, window_of(0.9, 10.0));
  }
  return std::move(adaptation).freeze();
}

TEST(Adaptation, ChangesWhatIsAdaptiveAndNothingElse) {
  const Tuning nothing = tuned({.step_size = false});
  EXPECT_EQ(nothing.step_size.value(), 0.5);
  EXPECT_EQ(nothing.damping, 0.25);
  EXPECT_TRUE(nothing.scales.empty());

  const Tuning step_size = tuned({.step_size = true});
  EXPECT_GT(step_size.step_size.value(), 0.5);
  EXPECT_EQ(step_size.damping, 0.25);
  EXPECT_TRUE(step_size.scales.empty());

  EXPECT_FALSE(step_size.global_fraction);

  const Tuning all = tuned({.step_size = true, .damping = true, .scales = true, .share = true});
  EXPECT_EQ(all.global_fraction, GlobalShare::kInitial);  // there were no global moves
  EXPECT_EQ(all.step_size.value(), step_size.step_size.value());
  EXPECT_LT(all.damping, 0.2);
  ASSERT_EQ(all.scales.size(), 2U);
  EXPECT_NEAR(all.scales[0], 1.0, 0.2);
  EXPECT_GT(all.scales[1], 2.0);
}

TEST(WindowSums, ComeBackFromTheirRow) {
  const WindowSums window = window_of(0.4, 3.0);
  const WindowSums back = WindowSums::of_row(window.row());
  EXPECT_EQ(back.moves.sums(), window.moves.sums());
  EXPECT_EQ(back.spread, window.spread);
  const WindowSums without = WindowSums::of_row(WindowSums{window.moves, {}}.row());
  EXPECT_EQ(without.moves.sums(), window.moves.sums());
  EXPECT_TRUE(without.spread.empty());
}

}  // namespace
}  // namespace flotilla::test
