// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/latent_spread.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <vector>

#include "flotilla/core/random.hpp"
#include "support/batches.hpp"

namespace flotilla::test {
namespace {

/// Chains at independent normal points with these standard deviations, [dim x chains].
Batch<double> normal_points(const std::vector<double>& deviations, Index chains,
                            std::uint64_t step) {
  Batch<double> z(static_cast<Index>(deviations.size()), chains);
  Random(8).normals(Purpose::kStart, step, 0, z);
  for (Index i = 0; i < z.dim(); ++i) {
    for (Index c = 0; c < z.stride(); ++c) {
      z(i, c) = 5.0 + deviations[static_cast<std::size_t>(i)] * z(i, c);
    }
  }
  return z;
}

SpreadAdaptation adapted(const std::vector<double>& deviations, Index chains, int windows,
                         const std::vector<double>& units) {
  SpreadAdaptation adaptation(static_cast<Index>(deviations.size()));
  for (int window = 0; window < windows; ++window) {
    LatentSpread spread(static_cast<Index>(deviations.size()));
    spread.observe(normal_points(deviations, chains, static_cast<std::uint64_t>(window)), units,
                   chains);
    adaptation.update(spread.sums());
  }
  return adaptation;
}

TEST(LatentSpread, FindsScalesOfAnySize) {
  const std::vector<double> deviations = {1e-4, 0.5, 1.0, 30.0, 1e5};
  const std::vector<double> scales = adapted(deviations, 1024, 40, {}).scales();
  ASSERT_EQ(scales.size(), deviations.size());
  for (std::size_t i = 0; i < scales.size(); ++i) {
    // 5,000 differences or more: the error of a standard deviation is about 1 %. The prior takes
    // 100 of them.
    EXPECT_NEAR(std::log(scales[i]), std::log(deviations[i]),
                0.03 + 0.03 * std::abs(std::log(deviations[i])));
  }
}

TEST(LatentSpread, ShrinksTowardsOneWhereLittleIsKnown) {
  const double one_window = adapted({0.1}, 8, 1, {}).scales()[0];
  const double many = adapted({0.1}, 8, 400, {}).scales()[0];
  EXPECT_GT(one_window, 0.8);
  EXPECT_LT(one_window, 1.0);
  EXPECT_LT(many, 0.2);
}

// trace(C^2) / trace(C) is the largest eigenvalue where it stands out.
TEST(LatentSpread, DampsByTheLargestEigenvalue) {
  EXPECT_NEAR(adapted(std::vector<double>(16, 1.0), 1024, 20, {}).damping(), 1.0, 0.05);
  EXPECT_NEAR(adapted(std::vector<double>(16, 20.0), 1024, 20, {}).damping(), 0.05, 0.003);
  const std::vector<double> one_stands_out = {1.0, 1.0, 1.0, 50.0};
  EXPECT_NEAR(adapted(one_stands_out, 1024, 20, {}).damping(), 0.02, 0.003);
  EXPECT_NEAR(adapted(one_stands_out, 1024, 20, one_stands_out).damping(), 1.0, 0.05);
}

TEST(LatentSpread, KnowsNothingOfThreeChains) {
  int tried = 0;
  for (const Index chains : {1, 2, 3}) {
    const SpreadAdaptation adaptation = adapted({0.1, 7.0}, chains, 50, {});
    EXPECT_EQ(adaptation.damping(), 1.0);
    EXPECT_EQ(adaptation.scales(), std::vector<double>(2, 1.0));
    ++tried;
  }
  EXPECT_EQ(tried, 3);
}

TEST(LatentSpread, LeavesOutWhatCoincidesOrIsNotFinite) {
  LatentSpread spread(2);
  Batch<double> z(2, 32);
  spread.observe(z, {}, 32);
  z = normal_points({1.0, 1.0}, 32, 0);
  z(1, 3) = std::numeric_limits<double>::infinity();
  spread.observe(z, {}, 32);
  z(1, 3) = std::nan("");
  spread.observe(z, {}, 32);
  EXPECT_EQ(spread.sums(), LatentSpread::Sums(5, 0));
}

TEST(LatentSpread, IsTheSameIntegersHoweverTilesAreCut) {
  const std::vector<double> deviations = {0.3, 1.0, 2.0};
  constexpr Index kAllChains = 200;
  const Batch<double> all = normal_points(deviations, kAllChains, 0);
  LatentSpread whole(3);
  whole.observe(all, {}, kAllChains);
  int cuts = 0;
  for (const Index width : {32, 64, 96}) {
    LatentSpread::Sums sums(6, 0);
    for (Index first = (kAllChains - 1) / width * width; first >= 0; first -= width) {
      const Index count = std::min(width, kAllChains - first);
      Batch<double> tile(3, count);
      for (Index i = 0; i < 3; ++i) {
        for (Index c = 0; c < count; ++c) tile(i, c) = all(i, first + c);
      }
      LatentSpread part(3);
      part.observe(tile, {}, count);
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += part.sums()[k];
    }
    EXPECT_EQ(sums, whole.sums()) << width;
    ++cuts;
  }
  EXPECT_EQ(cuts, 3);
  EXPECT_EQ(whole.sums()[0], 6 * 16 + 4);
}

}  // namespace
}  // namespace flotilla::test
