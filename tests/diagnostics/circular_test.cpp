// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/circular.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "flotilla/core/random.hpp"

namespace flotilla {
namespace {

constexpr Circle kCircle = {-M_PI, 2.0 * M_PI};
constexpr Index kChains = 8;
constexpr Index kDraws = 500;
constexpr double kKept = 0.6;   // of the distance to the centre, at a step
constexpr double kNoise = 0.4;  // sd of a step

/// Autoregressive chains about `centre`, taken back to the circle; the same noise for every centre.
/// @param apart  how much farther on the next chain's centre is
ChainDraws chains_about(double centre, double apart = 0.0) {
  ChainDraws draws(kChains, kDraws);
  const Random random(7);
  Batch<double> noise(1, kChains);
  std::vector<double> place(kChains, 0.0);
  for (Index d = 0; d < kDraws; ++d) {
    random.normals(Purpose::kLocalNoise, static_cast<std::uint64_t>(d), 0, noise);
    for (Index c = 0; c < kChains; ++c) {
      double& own = place[static_cast<std::size_t>(c)];
      own = kKept * own + kNoise * noise(0, c);
      draws.chain(c)[d] = kCircle.wrapped(centre + apart * static_cast<double>(c) + own);
    }
  }
  return draws;
}

TEST(Circular, ChainsThatWrapAreWorthWhatTheirTurnedTwinsAre) {
  const QuantitySummary twin = summarise_on_circle(chains_about(0.0), kCircle, 0);
  const QuantitySummary wrapping = summarise_on_circle(chains_about(M_PI - 0.2), kCircle, 0);
  ASSERT_LT(twin.rhat, 1.01);
  ASSERT_GT(twin.ess_bulk, 400.0);
  EXPECT_NEAR(wrapping.rhat, twin.rhat, 1e-9);
  EXPECT_NEAR(wrapping.ess_bulk, twin.ess_bulk, 1e-6 * twin.ess_bulk);
  EXPECT_NEAR(wrapping.ess_tail, twin.ess_tail, 1e-6 * twin.ess_tail);
  EXPECT_NEAR(wrapping.sd, twin.sd, 1e-9);
  EXPECT_NEAR(wrapping.mcse_mean, twin.mcse_mean, 1e-9);
  const auto turned = [](double x) { return kCircle.wrapped(x + M_PI - 0.2); };
  EXPECT_NEAR(kCircle.gap(wrapping.mean, turned(twin.mean)), 0.0, 1e-9);
  EXPECT_NEAR(kCircle.gap(wrapping.q5, turned(twin.q5)), 0.0, 1e-9);
  EXPECT_NEAR(kCircle.gap(wrapping.q95, turned(twin.q95)), 0.0, 1e-9);
}

TEST(Circular, ALineWouldNotSayThat) {
  const QuantitySummary line = summarise(chains_about(M_PI - 0.2), 0);
  const QuantitySummary circle = summarise_on_circle(chains_about(M_PI - 0.2), kCircle, 0);
  EXPECT_GT(line.sd, 2.0 * circle.sd);
  EXPECT_GT(std::abs(kCircle.gap(line.mean, circle.mean)), 0.5);
}

TEST(Circular, ChainsInDifferentPlacesHaveNotMet) {
  EXPECT_GT(summarise_on_circle(chains_about(0.0, 0.3), kCircle, 0).rhat, 1.1);
}

TEST(Circular, TheMeanHasTheErrorThatItSays) {
  const QuantitySummary summary = summarise_on_circle(chains_about(3.0), kCircle, 0);
  EXPECT_LT(std::abs(kCircle.gap(summary.mean, 3.0)), 4.0 * summary.mcse_mean);
  const double sd = kNoise / std::sqrt(1.0 - kKept * kKept);
  EXPECT_NEAR(summary.sd, sd, 0.05 * sd);
}

TEST(Circular, DrawsThatAreNotFiniteAreCounted) {
  ChainDraws draws = chains_about(0.0);
  draws.chain(3)[7] = INFINITY;
  const QuantitySummary summary = summarise_on_circle(draws, kCircle, 0);
  EXPECT_EQ(summary.non_finite, 1.0);
  EXPECT_TRUE(std::isnan(summary.rhat));
}

}  // namespace
}  // namespace flotilla
