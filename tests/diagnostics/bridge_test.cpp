// SPDX-License-Identifier: BSD-3-Clause

// Evidence of densities whose normalising constants are known in closed form.

#include "flotilla/diagnostics/bridge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "flotilla/core/random.hpp"

namespace flotilla::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Standard normals, a row for each step.
Batch<double> normals(std::uint64_t seed, Index rows, Index columns) {
  Batch<double> batch(rows, columns);
  Random(seed).normals(Purpose::kNaive, 0, 0, batch);
  return batch;
}

double log_normal(double x, double mean, double sd) {
  const double u = (x - mean) / sd;
  return -0.5 * u * u - std::log(sd) - 0.5 * std::log(2.0 * std::numbers::pi);
}

/// Z N(mean, sd^2) in each of dim coordinates, against q = N(0, I).
struct Gaussian {
  Index dim;
  double mean;
  double sd;
  double log_evidence;

  double log_ratio(const Batch<double>& z, Index column) const {
    double sum = log_evidence;
    for (Index i = 0; i < dim; ++i) {
      sum += log_normal(z(i, column), mean, sd) - log_normal(z(i, column), 0.0, 1.0);
    }
    return sum;
  }

  std::vector<double> base(std::uint64_t seed, Index draws) const {
    const Batch<double> z = normals(seed, dim, draws);
    std::vector<double> ratios;
    for (Index j = 0; j < draws; ++j) ratios.push_back(log_ratio(z, j));
    return ratios;
  }

  /// Chains of first-order autoregressive draws. @param correlation  of neighbours
  ChainDraws run(std::uint64_t seed, Index chains, Index draws, double correlation) const {
    ChainDraws ratios(chains, draws);
    const double fresh = std::sqrt(1.0 - correlation * correlation);
    Batch<double> state = normals(seed, dim, chains);
    Batch<double> z = state;
    for (Index d = 0; d < draws; ++d) {
      Batch<double> noise(dim, chains);
      Random(seed).normals(Purpose::kStart, static_cast<std::uint64_t>(d), 0, noise);
      for (Index c = 0; c < chains; ++c) {
        for (Index i = 0; i < dim; ++i) {
          state(i, c) = correlation * state(i, c) + fresh * noise(i, c);
          z(i, c) = mean + sd * state(i, c);
        }
        ratios.chain(c)[d] = log_ratio(z, c);
      }
    }
    return ratios;
  }
};

TEST(Bridge, FindsTheEvidenceOfGaussiansWithinItsErrors) {
  const Gaussian densities[] = {
      {1, 0.5, 0.8, 3.0}, {1, 2.0, 0.5, -700.0}, {4, 0.3, 1.5, 0.0}, {16, 0.1, 0.7, 1e4}};
  for (const Gaussian& density : densities) {
    const BridgeEstimate found =
        bridge_estimate(density.run(1, 16, 1000, 0.5), density.base(2, 10000));
    EXPECT_LT(found.error, 0.1);
    EXPECT_GT(found.error, 1e-3);
    EXPECT_NEAR(found.log_evidence, density.log_evidence, 3.0 * found.error) << density.dim;
    EXPECT_GT(found.overlap, 0.0);
    EXPECT_LT(found.overlap, 1.0);
  }
}

TEST(Bridge, IsTheFixedPointOfMengAndWong) {
  const Gaussian density = {2, 1.0, 0.6, 1.3};
  const ChainDraws run = density.run(3, 4, 500, 0.0);
  const std::vector<double> base = density.base(4, 3000);
  // The share s1 at which the estimate solves their equation: found by bisection.
  const double found = bridge_estimate(run, base).log_evidence;
  const auto once = [&](double share) {
    const double z = std::exp(found);
    double above = 0.0;
    double below = 0.0;
    for (const double u : base) above += std::exp(u) / (share * std::exp(u) + (1.0 - share) * z);
    for (const double u : run.values) below += 1.0 / (share * std::exp(u) + (1.0 - share) * z);
    return std::log(above / static_cast<double>(base.size())) -
           std::log(below / static_cast<double>(run.values.size())) - found;
  };
  double low = 0.05;
  double high = 0.95;
  ASSERT_LT(once(low) * once(high), 0.0);
  for (int k = 0; k < 60; ++k) {
    const double middle = 0.5 * (low + high);
    (once(low) * once(middle) > 0.0 ? low : high) = middle;
  }
  // 2000 independent draws and 3000 of the base density.
  EXPECT_NEAR(low, 0.4, 0.1);
}

TEST(Bridge, KnowsAlikeDensitiesWithoutError) {
  const ChainDraws run = Gaussian{3, 0.0, 1.0, 2.0}.run(5, 4, 100, 0.3);
  const BridgeEstimate found = bridge_estimate(run, Gaussian{3, 0.0, 1.0, 2.0}.base(6, 500));
  EXPECT_NEAR(found.log_evidence, 2.0, 1e-9);
  EXPECT_NEAR(found.error, 0.0, 1e-9);
  EXPECT_NEAR(found.overlap, 1.0, 1e-9);
}

TEST(Bridge, TakesDrawsOfTheBaseWithoutDensity) {
  // pi = q on a half line: draws of the run have log ratio 0, half of the draws of q have none.
  const ChainDraws run(4, 100);
  const Batch<double> z = normals(7, 1, 4000);
  std::vector<double> base;
  for (Index j = 0; j < 4000; ++j) base.push_back(z(0, j) > 0.0 ? 0.0 : -kInfinity);
  const BridgeEstimate found = bridge_estimate(run, base);
  EXPECT_NEAR(found.log_evidence, std::log(0.5), 3.0 * found.error);
  EXPECT_LT(found.error, 0.03);
  EXPECT_NEAR(found.overlap, 2.0 / 3.0, 0.02);
  const BridgeEstimate none = bridge_estimate(run, std::vector<double>(10, -kInfinity));
  EXPECT_TRUE(std::isnan(none.log_evidence));
  EXPECT_TRUE(std::isnan(importance_estimate(std::vector<double>(3, -kInfinity)).log_evidence));
}

TEST(Bridge, SaysThatItRestsOnNothing) {
  const Gaussian far = {10, 4.0, 0.3, 0.0};
  const BridgeEstimate found = bridge_estimate(far.run(8, 8, 500, 0.5), far.base(9, 2000));
  EXPECT_LT(std::min(found.run_draws, found.base_draws), 10.0);
  EXPECT_LT(found.overlap, 1e-3);
  // Farther away every value underflows.
  const Gaussian nowhere = {10, 40.0, 0.1, 0.0};
  const BridgeEstimate nothing =
      bridge_estimate(nowhere.run(8, 8, 500, 0.5), nowhere.base(9, 2000));
  EXPECT_EQ(std::min(nothing.run_draws, nothing.base_draws), 0.0);
  const Gaussian near = {10, 0.2, 0.9, 0.0};
  const BridgeEstimate good = bridge_estimate(near.run(8, 8, 500, 0.5), near.base(9, 2000));
  EXPECT_GT(std::min(good.run_draws, good.base_draws), 500.0);
  EXPECT_GT(good.overlap, 0.5);
}

/// Mean square of (estimate - truth) / error over repeats.
template <typename Spoil>
double mean_square_score(const Gaussian& density, Spoil spoil) {
  constexpr int kRepeats = 50;
  double squares = 0.0;
  for (std::uint64_t k = 0; k < kRepeats; ++k) {
    ChainDraws run = density.run(100 + k, 8, 400, 0.9);
    spoil(run);
    const BridgeEstimate found = bridge_estimate(run, density.base(1000 + k, 4000));
    const double score = (found.log_evidence - density.log_evidence) / found.error;
    squares += score * score;
  }
  return squares / kRepeats;
}

TEST(Bridge, ErrorsOfFiftyRepeatsAreCalibratedAndCountAutocorrelation) {
  // Mean of 50 squared standard normals: 0.2 is its standard deviation.
  const Gaussian density = {2, 0.8, 0.6, 5.0};
  const double score = mean_square_score(density, [](ChainDraws&) {});
  EXPECT_GT(score, 0.5);
  EXPECT_LT(score, 1.6);
  // Draws in another order have the same evidence, but no autocorrelation to count.
  const double shuffled = mean_square_score(density, [](ChainDraws& run) {
    const std::size_t count = run.values.size();
    const std::vector<double> values = run.values;
    for (std::size_t k = 0; k < count; ++k) run.values[k] = values[k * 1237 % count];
  });
  EXPECT_GT(shuffled, 2.0);
}

TEST(Importance, FindsTheEvidenceWithinItsError) {
  const Gaussian density = {2, 0.5, 0.9, -30.0};
  const std::vector<double> base = density.base(10, 20000);
  const ImportanceEstimate found = importance_estimate(base);
  EXPECT_NEAR(found.log_evidence, density.log_evidence, 3.0 * found.error);
  EXPECT_LT(found.error, 0.02);
  EXPECT_GT(found.effective_size, 1000.0);
  EXPECT_LT(found.effective_size, 20000.0);
}

}  // namespace
}  // namespace flotilla::test
