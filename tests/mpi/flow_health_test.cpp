// SPDX-License-Identifier: BSD-3-Clause
#include "run/flow_health.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/test_flows.hpp"

// Tests what draws tell of a flow, on any number of ranks. Rank 0 has the result.

namespace flotilla::test {
namespace {

/// The verdict of a finding; its sentence if there is none.
Finding find(const FlowHealth& health, const std::string& name) {
  for (const Finding& finding : health.findings) {
    if (finding.name == name) return finding;
  }
  return {"", Finding::Verdict::kPassed, "there is no finding '" + name + "'"};
}

TEST(FlowHealth, IsTheSameBitsOnAnyNumberOfRanks) {
  const Communicator world = Communicator::world();
  const Communicator alone(world, world.rank());
  const FlowRecord record = rich_flow(5, 1);
  const BaseDraws draws = {1000, 7};
  const FlowHealth together = examine(record, draws, world);
  const FlowHealth one = examine(record, draws, alone);
  if (!world.is_root()) return;
  EXPECT_EQ(together.draws, 1000);
  ASSERT_EQ(together.findings.size(), 6U);
  ASSERT_EQ(one.findings.size(), 6U);
  for (std::size_t k = 0; k < 6; ++k) {
    EXPECT_EQ(together.findings[k].sentence, one.findings[k].sentence);
    EXPECT_EQ(together.findings[k].verdict, one.findings[k].verdict);
  }
  EXPECT_EQ(together.round_trip.largest, one.round_trip.largest);
  EXPECT_EQ(together.float_x.median, one.float_x.median);
  EXPECT_EQ(together.log_det.most, one.log_det.most);
  EXPECT_EQ(together.climb.highest, one.climb.highest);
}

TEST(FlowHealth, OfAGoodFlowPasses) {
  const Communicator world = Communicator::world();
  const FlowHealth health = examine(smooth_flow(4, 2), {2000, 1}, world);
  if (!world.is_root()) return;
  EXPECT_TRUE(passed(health.findings)) << findings_text(health.findings);
  EXPECT_EQ(health.non_finite, 0);
  EXPECT_LT(health.round_trip.largest, 1e-9);
  EXPECT_GT(health.round_trip.largest, 0.0);
  EXPECT_LT(health.float_x.largest, 1e-3);
  EXPECT_GT(health.float_x.median, 1e-9);
  EXPECT_TRUE(health.condition.exact);
}

// l = 2 z1 and log q_X - l are known.
TEST(FlowHealth, FiguresAreThoseOfAShear) {
  const Communicator world = Communicator::world();
  constexpr Index kDraws = 20000;
  const FlowHealth health = examine(shear_flow(2.0), {kDraws, 3}, world);
  if (!world.is_root()) return;
  // quantiles of |N(0, 2)|: 2 * 0.67449 and 2 * 2.57583, with 5 standard errors
  EXPECT_NEAR(health.log_det.median, 1.34898, 5.0 * 2.0 * 0.5 / (0.6356 * std::sqrt(kDraws)));
  EXPECT_NEAR(health.log_det.most, 5.15166, 5.0 * 2.0 * 0.0995 / (0.0289 * std::sqrt(kDraws)));
  EXPECT_NEAR(health.climb.highest, 2.0 - 1.8378771, 1e-5);
}

// x2 = z2 exp(a z1) overflows where a z1 > 709.78.
TEST(FlowHealth, DrawsThatAreNotFiniteAreCounted) {
  const Communicator world = Communicator::world();
  constexpr Index kDraws = 20000;
  const FlowHealth few = examine(shear_flow(300.0), {kDraws, 3}, world);
  const FlowHealth many = examine(shear_flow(600.0), {kDraws, 3}, world);
  if (!world.is_root()) return;
  const auto expected = [](double share) { return share * static_cast<double>(kDraws); };
  // tails of N(0, 1) at 709.78 / a
  EXPECT_NEAR(static_cast<double>(few.non_finite), expected(0.00899), 5.0 * 13.4);
  EXPECT_EQ(find(few, "draws").verdict, Finding::Verdict::kNoted);
  EXPECT_NEAR(static_cast<double>(many.non_finite), expected(0.1184), 5.0 * 45.7);
  EXPECT_EQ(find(many, "draws").verdict, Finding::Verdict::kFailed);
  EXPECT_GT(few.non_finite_float, 5000);  // float overflows where a z1 > 88.7
  EXPECT_EQ(find(few, "float").verdict, Finding::Verdict::kNoted);
}

TEST(FlowHealth, AnUnboundedDensityIsToldByTheWayUp) {
  const Communicator world = Communicator::world();
  const LayerRecord shear = shear_flow(1.0).layers.front();
  LayerRecord exchange = random_permutation(2, 1);
  exchange.arrays.at("indices").values = {1.0, 0.0};
  const FlowHealth health = examine(flow_of(2, {shear, exchange, shear}), {1000, 3}, world);
  if (!world.is_root()) return;
  EXPECT_EQ(find(health, "density").verdict, Finding::Verdict::kFailed);
  EXPECT_NE(find(health, "density").sentence.find("unbounded"), std::string::npos);
  EXPECT_FALSE(passed(health.findings));
}

}  // namespace
}  // namespace flotilla::test
