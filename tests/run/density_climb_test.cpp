// SPDX-License-Identifier: BSD-3-Clause
#include "run/density_climb.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "support/test_flows.hpp"

// Tests how high log q_X(f(z)) = log q_Z(z) - l(z) rises. The truths are modes in closed form.

namespace flotilla::test {
namespace {

Batch<double> draws(Index dim, Index chains) {
  Batch<double> z(dim, chains);
  Random(3).normals(Purpose::kNaive, 0, 0, z);
  return z;
}

TEST(DensityClimb, FindsTheModeOfAShear) {
  // log q_Z - a z1 has its maximum a^2/2 - log 2 pi at z1 = -a.
  constexpr double kShear = 2.0;
  const Climb climb = climb_density(Flow<double>(shear_flow(kShear)), draws(2, 8));
  EXPECT_EQ(climb.starts, 8);
  EXPECT_NEAR(climb.highest, 0.5 * kShear * kShear - std::log(2.0 * std::numbers::pi), 1e-6);
  EXPECT_NEAR(climb.distance, kShear, 1e-2);
  EXPECT_LT(climb.highest_draw, climb.highest);
  EXPECT_FALSE(climb.rising);
}

TEST(DensityClimb, HasNoEndWhereTheDensityIsUnbounded) {
  // Two shears along each other: l = z1 + z2 exp(z1), so log q_X rises without end as z2 exp(z1)
  // falls.
  const LayerRecord shear = shear_flow(1.0).layers.front();
  LayerRecord exchange = random_permutation(2, 1);
  exchange.arrays.at("indices").values = {1.0, 0.0};
  const Climb climb =
      climb_density(Flow<double>(flow_of(2, {shear, exchange, shear})), draws(2, 8));
  EXPECT_GT(climb.highest, climb.highest_draw + 1e6);
}

TEST(DensityClimb, OfABoxIsFlat) {
  FlowRecord record = diagonal_flow(2, 2.0, 0.0);
  record.base.type = "uniform_box";
  record.base.arrays["low"] = {{2}, {0.0, 0.0}};
  record.base.arrays["high"] = {{2}, {1.0, 1.0}};
  Batch<double> inside(2, 3);
  inside.fill(0.5);
  const Climb climb = climb_density(Flow<double>(record), std::move(inside));
  EXPECT_DOUBLE_EQ(climb.highest, -std::log(4.0));
  EXPECT_DOUBLE_EQ(climb.highest_draw, climb.highest);
}

}  // namespace
}  // namespace flotilla::test
