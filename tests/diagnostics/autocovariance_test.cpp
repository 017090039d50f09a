// SPDX-License-Identifier: BSD-3-Clause
#include "diagnostics/autocovariance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "flotilla/diagnostics/effective_size.hpp"

namespace flotilla::test {
namespace {

std::vector<double> autoregressive(std::size_t length, double correlation, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> series(length);
  double value = normal(generator) / std::sqrt(1.0 - correlation * correlation);
  for (double& entry : series) {
    entry = value;
    value = correlation * value + normal(generator);
  }
  return series;
}

/// The definition, in long double.
double by_definition(const std::vector<double>& series, std::size_t lag) {
  long double mean = 0.0L;
  for (const double value : series) mean += value;
  mean /= static_cast<long double>(series.size());
  long double sum = 0.0L;
  for (std::size_t i = 0; i + lag < series.size(); ++i) {
    sum += (series[i] - mean) * (series[i + lag] - mean);
  }
  return static_cast<double>(sum / static_cast<long double>(series.size()));
}

TEST(Autocovariance, IsItsDefinitionAtEveryLag) {
  int compared = 0;
  Autocovariance<double> in_double;
  Autocovariance<float> in_float;
  for (const std::size_t length : {1U, 2U, 31U, 32U, 33U, 100U, 1500U, 9000U}) {
    const std::vector<double> series = autoregressive(length, 0.9, length);
    const std::vector<float> rounded(series.begin(), series.end());
    for (const std::size_t lags : {std::size_t{1}, std::size_t{70}, length}) {
      std::vector<double> found(std::min(lags, length));
      std::vector<double> found_in_float(found.size());
      in_double(series, found);
      in_float(rounded, found_in_float);
      const double variance = by_definition(series, 0);
      for (std::size_t lag = 0; lag < found.size(); lag += 1 + lag / 8) {
        const double expected = by_definition(series, lag);
        EXPECT_NEAR(found[lag], expected, 1e-12 * (1.0 + variance)) << length << " " << lag;
        EXPECT_NEAR(found_in_float[lag], expected, 2e-6 * (1.0 + variance)) << length << " " << lag;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 300);
}

TEST(Autocovariance, OfFlagsIsThatOfNumbers) {
  int compared = 0;
  for (const std::size_t length : {1U, 5U, 64U, 65U, 128U, 1000U}) {
    const std::vector<double> series = autoregressive(length, 0.8, length + 1);
    std::vector<std::uint8_t> flags(length);
    std::vector<double> numbers(length);
    for (std::size_t i = 0; i < length; ++i) {
      flags[i] = series[i] < 0.5 ? 1 : 0;
      numbers[i] = flags[i];
    }
    std::vector<double> found(length);
    FlagAutocovariance autocovariance;
    autocovariance(flags, found);
    for (std::size_t lag = 0; lag < length; ++lag) {
      EXPECT_NEAR(found[lag], by_definition(numbers, lag), 1e-12) << length << " " << lag;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 1263);
}

/// Chains of an autoregression with known correlation time (1 + r) / (1 - r). Over 40 seeds the
/// mean of the estimates is within 5 standard errors: one false alarm in 10^6.
TEST(EffectiveSize, IsThatOfAnAutoregression) {
  constexpr std::size_t kDraws = 3000;
  for (const double r : {-0.3, 0.0, 0.5, 0.9}) {
    Moments estimates;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      EffectiveSize size(kDraws, 400);
      Autocovariance<double> autocovariance;
      std::vector<double> covariance(400);
      for (std::uint64_t c = 0; c < 4; ++c) {
        const double mean = autocovariance(autoregressive(kDraws, r, 100 * seed + c), covariance);
        size.observe(mean, covariance);
      }
      ASSERT_TRUE(size.result().has_value());
      estimates.observe(*size.result() / (4.0 * kDraws) * (1.0 + r) / (1.0 - r));
    }
    const double error = std::sqrt(estimates.variance() / estimates.count());
    // Geyer's sequence biases the time by a few percent.
    EXPECT_NEAR(estimates.mean(), 1.0, 5.0 * error + 0.03) << r;
  }
}

TEST(EffectiveSize, SaysNothingUntilTheLagsSuffice) {
  const std::vector<double> series = autoregressive(2000, 0.98, 5);
  Autocovariance<double> autocovariance;
  const auto with_lags = [&](Index lags) {
    EffectiveSize size(2000, lags);
    std::vector<double> covariance(static_cast<std::size_t>(lags));
    const double mean = autocovariance(series, covariance);
    size.observe(mean, covariance);
    return size.result();
  };
  EXPECT_FALSE(with_lags(1).has_value());
  EXPECT_FALSE(with_lags(20).has_value());
  ASSERT_TRUE(with_lags(1000).has_value());
  EXPECT_EQ(*with_lags(1000), *with_lags(1500));
}

}  // namespace
}  // namespace flotilla::test
