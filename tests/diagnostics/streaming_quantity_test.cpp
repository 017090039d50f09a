// SPDX-License-Identifier: BSD-3-Clause

// Compares figures gathered chain by chain with figures computed exactly in memory.

#include "diagnostics/streaming_quantity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace flotilla::test {
namespace {

template <typename T>
QuantitySummary streamed(const ChainDraws& draws, double centre, double scale, Index superchains) {
  StreamingQuantity quantity(centre, scale, superchains > 0 ? draws.chains / superchains : 0);
  const std::vector<T> values(draws.values.begin(), draws.values.end());
  quantity.count(std::span<const T>(values));
  quantity.rank(draws.draws);
  StreamingScratch scratch;
  int readings = 0;
  do {
    for (Index c = 0; c < draws.chains; ++c) {
      const auto length = static_cast<std::size_t>(draws.draws);
      quantity.observe_chain(
          std::span<const T>(values.data() + static_cast<std::size_t>(c) * length, length),
          scratch);
    }
    ++readings;
  } while (quantity.needs_more_lags());
  EXPECT_LE(readings, 4);
  return quantity.summary();
}

/// Chains of an autoregression, each around a location of its own.
ChainDraws autoregressions(double correlation, const std::function<double(Index)>& location) {
  std::mt19937_64 generator(3);
  std::normal_distribution<double> normal;
  ChainDraws draws(16, 2001);
  for (Index c = 0; c < draws.chains; ++c) {
    double value = normal(generator);
    for (Index i = 0; i < draws.draws; ++i) {
      value = correlation * value + std::sqrt(1.0 - correlation * correlation) * normal(generator);
      draws.chain(c)[i] = location(c) + value;
    }
  }
  return draws;
}

/// Figures agree within a small part of their Monte Carlo error.
void expect_close(const QuantitySummary& found, const QuantitySummary& exact) {
  EXPECT_NEAR(found.mean, exact.mean, 1e-5 * exact.sd);
  EXPECT_NEAR(found.sd, exact.sd, 1e-5 * exact.sd);
  EXPECT_NEAR(found.mcse_mean, exact.mcse_mean, 1e-3 * exact.mcse_mean);
  EXPECT_NEAR(found.q5, exact.q5, 2e-3 * exact.sd);
  EXPECT_NEAR(found.median, exact.median, 2e-3 * exact.sd);
  EXPECT_NEAR(found.q95, exact.q95, 2e-3 * exact.sd);
  EXPECT_NEAR(found.ess_bulk, exact.ess_bulk, 5e-3 * exact.ess_bulk);
  EXPECT_NEAR(found.ess_tail, exact.ess_tail, 3e-2 * exact.ess_tail);
  EXPECT_NEAR(found.ess_chain, exact.ess_chain, 5e-3 * exact.ess_chain);
  EXPECT_NEAR(found.rhat, exact.rhat, 2e-4);
  EXPECT_NEAR(found.nested_rhat, exact.nested_rhat, 2e-4);
}

TEST(StreamingQuantity, AgreesWithTheExactSummary) {
  int compared = 0;
  for (const double correlation : {0.0, 0.7, 0.995}) {
    const ChainDraws together = autoregressions(correlation, [](Index) { return 1e3; });
    const ChainDraws apart =
        autoregressions(correlation, [](Index c) { return c % 4 == 0 ? 3.0 : -1.0; });
    for (const ChainDraws& draws : {together, apart}) {
      const QuantitySummary exact = summarise(draws, 4);
      const double centre = exact.median + 0.3 * exact.sd;  // a centre estimated from a sample is
                                                            // off as well
      expect_close(streamed<double>(draws, centre, 0.5 * exact.sd, 4), exact);
      expect_close(streamed<float>(draws, centre, 0.5 * exact.sd, 4), exact);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 6);
}

TEST(StreamingQuantity, RanksHeavyTails) {
  std::mt19937_64 generator(9);
  std::cauchy_distribution<double> cauchy;
  ChainDraws draws(8, 4000);
  for (double& value : draws.values) value = cauchy(generator);
  const QuantitySummary exact = summarise(draws, 0);
  const QuantitySummary found = streamed<double>(draws, 0.0, 1.0, 0);
  EXPECT_NEAR(found.rhat, exact.rhat, 2e-4);
  EXPECT_NEAR(found.ess_bulk, exact.ess_bulk, 5e-3 * exact.ess_bulk);
  EXPECT_NEAR(found.ess_tail, exact.ess_tail, 3e-2 * exact.ess_tail);
  EXPECT_NEAR(found.q5, exact.q5, 5e-3 * std::abs(exact.q5));
  EXPECT_NEAR(found.q95, exact.q95, 5e-3 * std::abs(exact.q95));
}

TEST(StreamingQuantity, KnowsConstantsAndWhatIsNotFinite) {
  ChainDraws draws(4, 200);
  draws.values.assign(draws.values.size(), 2.5);
  const QuantitySummary constant = streamed<double>(draws, 2.5, 1.0, 0);
  EXPECT_EQ(constant.mean, 2.5);
  EXPECT_EQ(constant.sd, 0.0);
  EXPECT_TRUE(std::isnan(constant.rhat));
  EXPECT_TRUE(std::isnan(constant.ess_bulk));
  draws.values[7] = HUGE_VAL;
  const QuantitySummary spoilt = streamed<double>(draws, 2.5, 1.0, 0);
  EXPECT_EQ(spoilt.non_finite, 1.0);
  EXPECT_TRUE(std::isnan(spoilt.mean));
}

}  // namespace
}  // namespace flotilla::test
