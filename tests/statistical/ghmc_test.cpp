// SPDX-License-Identifier: BSD-3-Clause

// A million chains that start exactly in equilibrium: z of the tempered shear flow, a normal
// momentum, a uniform slice. A step that leaves the extended density invariant keeps all of it so.
// Chains are independent of each other, so that errors are known.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "flotilla/sampler/kernel.hpp"
#include "support/faulty_ghmc.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr double kA = 0.8;
constexpr double kBeta = 1.0;
constexpr Index kWidth = 256;
constexpr Index kTiles = 3907;  // 1,000,192 chains
constexpr int kSteps = 8;
constexpr double kStepSize = 1.1;  // long: three moves in ten are rejected
constexpr double kDamping = 0.5;

/// Kolmogorov's statistic sqrt(n) sup |F_n - F| against the uniform law on [-1, 1].
double distance_from_uniform(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  double largest = 0.0;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double expected = 0.5 * (values[k] + 1.0);
    largest = std::max({largest, std::abs(expected - static_cast<double>(k) / count),
                        std::abs(static_cast<double>(k + 1) / count - expected)});
  }
  return std::sqrt(count) * largest;
}

/// Sums of a quantity whose mean should be zero.
struct Mean {
  double sum = 0.0;
  double squares = 0.0;
  double count = 0.0;

  void add(double value) {
    sum += value;
    squares += value * value;
    count += 1.0;
  }
  /// Distance from zero in standard errors.
  double distance() const { return std::abs(sum) / std::sqrt(squares); }
};

struct Equilibrium {
  double uniformity = 0.0;  ///< Kolmogorov's statistic of the slice
  double moments = 0.0;     ///< the largest distance of a moment from its truth, standard errors
  double acceptance = 0.0;
};

/// Moments of z and v up to the second, and of each with the slice.
std::vector<double> deviations(const Workspace<double>& work, Index c) {
  const double z1 = work.current.position(0, c) + kBeta * kA;
  const double z2 = work.current.position(1, c);
  const double v1 = work.memory.momentum(0, c);
  const double v2 = work.memory.momentum(1, c);
  const double u = work.memory.slice(0, c);
  return {z1,
          z2,
          v1,
          v2,
          z1 * z1 - 1.0,
          z2 * z2 - 1.0,
          v1 * v1 - 1.0,
          v2 * v2 - 1.0,
          z1 * z2,
          z1 * v1,
          z2 * v2,
          u * z1,
          u * v1,
          (u * u - 1.0 / 3.0) * (z1 * z1 - 1.0)};
}

Equilibrium equilibrium(std::unique_ptr<LocalMove<double>> move) {
  const Flow<double> flow(shear_flow(kA));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const Kernel<double> kernel(flow, target, std::move(move), 0.1);
  const Random random(99);
  Workspace<double> work(kernel, kWidth);
  Batch<double> z(2, kWidth);
  std::vector<double> slices;
  std::vector<Mean> means(14);
  Mean acceptance;
  for (Index tile = 0; tile < kTiles; ++tile) {
    const auto first = static_cast<std::uint64_t>(tile * kWidth);
    random.normals(Purpose::kStart, 0, first, z);
    for (Index c = 0; c < kWidth; ++c) z(0, c) -= kBeta * kA;
    kernel.begin(work, z);
    kernel.start_memory(random, first, work);
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      kernel.step(random, step, first, {StepSize(kStepSize), kDamping}, work);
    }
    for (Index c = 0; c < kWidth; ++c) {
      slices.push_back(work.memory.slice(0, c));
      const std::vector<double> found = deviations(work, c);
      for (std::size_t k = 0; k < found.size(); ++k) means[k].add(found[k]);
      acceptance.add(work.outcome.acceptance(0, c));
    }
  }
  EXPECT_EQ(slices.size(), static_cast<std::size_t>(kTiles * kWidth));
  Equilibrium result;
  result.uniformity = distance_from_uniform(std::move(slices));
  for (const Mean& mean : means) result.moments = std::max(result.moments, mean.distance());
  result.acceptance = acceptance.sum / acceptance.count;
  return result;
}

TEST(GhmcEquilibrium, Lasts) {
  const Equilibrium found = equilibrium(std::make_unique<Ghmc<double>>());
  EXPECT_LE(found.uniformity, 1.95);  // false alarm 1e-3
  EXPECT_LE(found.moments, 4.0);      // 14 moments: false alarm 1e-3
  EXPECT_LT(found.acceptance, 0.95);  // else rejections would hardly be tested
}

TEST(GhmcEquilibrium, IsLostWithoutTheFlip) {
  EXPECT_GT(equilibrium(std::make_unique<WithoutFlip<double>>()).moments, 12.0);
}
TEST(GhmcEquilibrium, IsLostWhereTheSliceIsNotRescaled) {
  EXPECT_GT(equilibrium(std::make_unique<WithoutRescaling<double>>()).moments, 12.0);
}
TEST(GhmcEquilibrium, IsLostWhereTheMomentumIsRefreshedTwice) {
  EXPECT_GT(equilibrium(std::make_unique<RefreshedTwice<double>>()).moments, 12.0);
}
TEST(GhmcEquilibrium, IsLostWhereHalfStepsDiffer) {
  EXPECT_GT(equilibrium(std::make_unique<UnequalHalfSteps<double>>()).moments, 12.0);
}

// Without new noise equilibrium lasts, but nothing leads to it.
TEST(GhmcEquilibrium, IsNotReachedWithoutNewNoise) {
  const Flow<double> flow(shear_flow(kA));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const auto energy = [&](std::unique_ptr<LocalMove<double>> move) {
    const Kernel<double> kernel(flow, target, std::move(move), 0.0);
    Workspace<double> work(kernel, kWidth);
    Batch<double> far(2, kWidth);
    far.fill(3.0);
    kernel.begin(work, far);
    kernel.start_memory(Random(5), 0, work);
    Mean sum;
    for (std::uint64_t step = 0; step < 400; ++step) {
      kernel.step(Random(5), step, 0, {StepSize(0.5), kDamping}, work);
      if (step < 200) continue;
      for (Index c = 0; c < kWidth; ++c) {
        sum.add(std::pow(work.current.position(0, c) + kBeta * kA, 2) +
                std::pow(work.current.position(1, c), 2));
      }
    }
    return sum.sum / sum.count;
  };
  EXPECT_NEAR(energy(std::make_unique<Ghmc<double>>()), 2.0, 0.2);
  EXPECT_GT(energy(std::make_unique<WithoutRefreshment<double>>()), 4.0);
}

}  // namespace
}  // namespace flotilla::test
