// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/diagnostics/rhat.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "flotilla/diagnostics/chain_draws.hpp"

namespace flotilla::test {
namespace {

ChainDraws chains_of(const std::vector<std::vector<double>>& rows) {
  ChainDraws draws(static_cast<Index>(rows.size()), static_cast<Index>(rows.front().size()));
  for (std::size_t c = 0; c < rows.size(); ++c) {
    std::copy(rows[c].begin(), rows[c].end(), draws.chain(static_cast<Index>(c)));
  }
  return draws;
}

double nested(const std::vector<std::vector<double>>& rows, Index superchains) {
  return nested_rhat(chain_moments(chains_of(rows)), superchains);
}

/// Definition 2.1 of Margossian et al., sum by sum as printed, on theta[k][m][n].
double nested_as_printed(const std::vector<std::vector<std::vector<double>>>& theta) {
  const auto big_k = static_cast<double>(theta.size());
  const auto big_m = static_cast<double>(theta[0].size());
  const auto big_n = static_cast<double>(theta[0][0].size());
  double grand = 0.0;
  for (const auto& superchain : theta) {
    for (const auto& chain : superchain) {
      for (const double value : chain) grand += value / (big_k * big_m * big_n);
    }
  }
  double between = 0.0;
  double within = 0.0;
  for (const auto& superchain : theta) {
    double mean = 0.0;
    for (const auto& chain : superchain) {
      for (const double value : chain) mean += value / (big_m * big_n);
    }
    between += (mean - grand) * (mean - grand) / (big_k - 1.0);
    for (const auto& chain : superchain) {
      double chain_mean = 0.0;
      for (const double value : chain) chain_mean += value / big_n;
      if (big_m > 1.0) within += (chain_mean - mean) * (chain_mean - mean) / (big_m - 1.0) / big_k;
      for (const double value : chain) {
        if (big_n < 2.0) continue;
        within += (value - chain_mean) * (value - chain_mean) / (big_n - 1.0) / big_m / big_k;
      }
    }
  }
  return std::sqrt((within + between) / within);
}

TEST(NestedRhat, IsTheFormulaOfThePaper) {
  std::mt19937_64 generator(7);
  std::normal_distribution<double> normal;
  int compared = 0;
  for (const std::size_t superchains : {2U, 3U, 16U}) {
    for (const std::size_t width : {1U, 2U, 7U}) {
      for (const std::size_t draws : {1U, 2U, 30U}) {
        if (width == 1 && draws == 1) continue;  // nothing inside a superchain varies
        std::vector<std::vector<std::vector<double>>> theta(superchains);
        std::vector<std::vector<double>> rows;
        for (auto& superchain : theta) {
          const double location = normal(generator);
          superchain.assign(width, std::vector<double>(draws));
          for (auto& chain : superchain) {
            for (double& value : chain) value = location + normal(generator);
            rows.push_back(chain);
          }
        }
        const double expected = nested_as_printed(theta);
        EXPECT_NEAR(nested(rows, static_cast<Index>(superchains)), expected, 1e-12 * expected);
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 24);
}

TEST(NestedRhat, OfCasesByHand) {
  // Superchain means 0 and 2: B = 2. Single draws -1, 1 and 1, 3: W = 2. sqrt(1 + 2 / 2).
  EXPECT_DOUBLE_EQ(nested({{-1}, {1}, {1}, {3}}, 2), std::sqrt(2.0));
  // The chains of a superchain differ, the superchains do not: B = 0.
  EXPECT_DOUBLE_EQ(nested({{-1}, {1}, {-1}, {1}}, 2), 1.0);
  // Chain means 0, 4 | 2, 2, each chain with variance 2: means 2 and 2, W = (8 + 2 + 0 + 2) / 2.
  EXPECT_DOUBLE_EQ(nested({{-1, 1}, {3, 5}, {1, 3}, {1, 3}}, 2), 1.0);
  // The same with the second superchain moved by 4: B = 8, W = 6.
  EXPECT_DOUBLE_EQ(nested({{-1, 1}, {3, 5}, {5, 7}, {5, 7}}, 2), std::sqrt(14.0 / 6.0));
  // Superchains of one chain: W is the mean variance of chains, 2. Means 0 and 2, so B = 2.
  EXPECT_DOUBLE_EQ(nested({{-1, 1}, {1, 3}}, 2), std::sqrt(2.0));
}

TEST(NestedRhat, IsUndefinedWithoutTwoEqualSuperchains) {
  const std::vector<std::vector<double>> rows = {{0, 1}, {1, 2}, {2, 3}};
  EXPECT_TRUE(std::isnan(nested(rows, 0)));
  EXPECT_TRUE(std::isnan(nested(rows, 1)));
  EXPECT_TRUE(std::isnan(nested(rows, 2)));
  EXPECT_FALSE(std::isnan(nested(rows, 3)));
  EXPECT_TRUE(std::isnan(nested({{1, 1}, {1, 1}}, 2)));
}

TEST(Rhat, OfCasesByHand) {
  // Means 0 and 2, variances 2: W = 2, B / n = 2, n = 2: sqrt((2 * 1/2 + 2) / 2).
  EXPECT_DOUBLE_EQ(rhat(chain_moments(chains_of({{-1, 1}, {1, 3}}))), std::sqrt(1.5));
  EXPECT_DOUBLE_EQ(rhat(chain_moments(chains_of({{0, 2}, {0, 2}}))), std::sqrt(0.5));
  EXPECT_TRUE(std::isnan(rhat(chain_moments(chains_of({{0}, {1}})))));
  EXPECT_TRUE(std::isnan(rhat(chain_moments(chains_of({{1, 1}, {1, 1}})))));
  EXPECT_EQ(rhat(chain_moments(chains_of({{1, 1}, {2, 2}}))), HUGE_VAL);
}

/// What chains of so many steps of an autoregression are worth, by their halves.
double chain_size_of(double correlation, Index chains, Index draws) {
  std::mt19937_64 generator(11);
  std::normal_distribution<double> normal;
  ChainSize size;
  for (Index c = 0; c < chains; ++c) {
    Moments halves[2];
    double value = normal(generator) / std::sqrt(std::max(1e-3, 1.0 - correlation * correlation));
    for (Index d = 0; d < draws; ++d) {
      value = correlation * value + normal(generator);
      halves[2 * d / draws].observe(value);
    }
    size.observe(halves[0], halves[1]);
  }
  return size.value();
}

TEST(ChainSize, IsTheNumberOfIndependentDraws) {
  EXPECT_NEAR(chain_size_of(0.0, 4000, 40), 40.0, 4.0);
  // An autoregression of correlation r has a correlation time of (1 + r) / (1 - r).
  EXPECT_NEAR(chain_size_of(0.8, 4000, 900), 100.0, 10.0);
  EXPECT_NEAR(chain_size_of(1.0, 4000, 900), 1.0, 0.1);
}

TEST(ChainSize, IsUndefinedWhereNothingVaries) {
  ChainSize size;
  EXPECT_TRUE(std::isnan(size.value()));
  size.observe(Moments(5.0, 1.0, 0.0), Moments(5.0, 1.0, 0.0));
  size.observe(Moments(1.0, 1.0, 0.0), Moments(1.0, 2.0, 0.0));
  EXPECT_TRUE(std::isnan(size.value()));
}

TEST(Moments, OfPartsMergeIntoThoseOfTheWhole) {
  std::mt19937_64 generator(11);
  std::normal_distribution<double> normal(1e4, 3.0);
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{60}, std::size_t{97}}) {
    Moments whole;
    Moments first;
    Moments second;
    double sum = 0.0;
    std::vector<double> values(97);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = normal(generator);
      sum += values[i];
      whole.observe(values[i]);
      (i < cut ? first : second).observe(values[i]);
    }
    const double mean = sum / 97.0;
    double deviations = 0.0;
    for (const double value : values) deviations += (value - mean) * (value - mean);
    first.merge(second);
    for (const Moments& found : {whole, first}) {
      EXPECT_EQ(found.count(), 97.0);
      EXPECT_NEAR(found.mean(), mean, 1e-9);
      EXPECT_NEAR(found.variance(), deviations / 96.0, 1e-9);
    }
  }
}

}  // namespace
}  // namespace flotilla::test
