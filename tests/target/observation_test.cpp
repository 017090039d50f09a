// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/target/observation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"
#include "support/observations.hpp"

namespace flotilla::test {
namespace {

constexpr Index kObservedDim = 37;
constexpr Index kValues = 11;
constexpr Index kPoints = 150;  // more than two blocks of the product, and no multiple of one

/// Log densities and gradients of some points, which are the columns of x.
struct Found {
  std::vector<double> log_density;
  Eigen::MatrixXd gradient;
};

Found evaluate(const Density& density, const Eigen::MatrixXd& x) {
  Found found{std::vector<double>(static_cast<std::size_t>(x.cols())),
              Eigen::MatrixXd::Constant(x.rows(), x.cols(), 7.0)};
  density.evaluate({x.cols(), x.rows(), x.data()}, found.log_density.data(), found.gradient.data());
  return found;
}

class Observations : public testing::TestWithParam<ObservedBy> {
 protected:
  Observation observation_ = random_observation(GetParam(), kValues, kObservedDim, 3);
  Eigen::MatrixXd x_ = NumberStream(4).matrix(kObservedDim, kPoints, 2.0);
};

TEST_P(Observations, HaveTheDensityOfGaussianNoise) {
  const auto density = likelihood(observation_, kObservedDim);
  EXPECT_EQ(density->dim(), kObservedDim);
  const Found found = evaluate(*density, x_);
  const LinearModel model = model_of(observation_, kObservedDim);
  for (Index k = 0; k < kPoints; ++k) {
    const Eigen::VectorXd mean = model.matrix * x_.col(k);
    double truth = 0.0;
    for (Index j = 0; j < kValues; ++j) {
      const double away = (model.y[j] - mean[j]) / model.noise[j];
      truth += -0.5 * away * away - std::log(model.noise[j]) - 0.5 * std::log(2.0 * M_PI);
    }
    ASSERT_NEAR(found.log_density[static_cast<std::size_t>(k)], truth, 1e-12 * std::abs(truth));
  }
}

TEST_P(Observations, HaveItsGradient) {
  const auto density = likelihood(observation_, kObservedDim);
  const Found found = evaluate(*density, x_);
  constexpr double kStep = 0x1p-8;  // differences of a parabola are exact at any step
  int compared = 0;
  for (Index i = 0; i < kObservedDim; ++i) {
    Eigen::MatrixXd ahead = x_;
    Eigen::MatrixXd behind = x_;
    ahead.row(i).array() += kStep;
    behind.row(i).array() -= kStep;
    const std::vector<double> up = evaluate(*density, ahead).log_density;
    const std::vector<double> down = evaluate(*density, behind).log_density;
    for (std::size_t k = 0; k < up.size(); ++k) {
      const double difference = (up[k] - down[k]) / (2.0 * kStep);
      const double slope = found.gradient(i, static_cast<Index>(k));
      EXPECT_NEAR(slope, difference, 1e-6 * (1.0 + std::abs(difference)));
      ++compared;
    }
  }
  EXPECT_EQ(compared, kObservedDim * kPoints);
}

TEST_P(Observations, AreFunctionsOfThePointAlone) {
  const auto density = likelihood(observation_, kObservedDim);
  const Found together = evaluate(*density, x_);
  for (Index k = 0; k < kPoints; ++k) {
    const Found alone = evaluate(*density, x_.col(k));
    ASSERT_EQ(alone.log_density[0], together.log_density[static_cast<std::size_t>(k)]) << k;
    ASSERT_EQ(differing_bits(alone.gradient, together.gradient.col(k)), 0) << k;
  }
}

TEST_P(Observations, AllocateNothing) {
  const auto density = likelihood(observation_, kObservedDim);
  Found found = evaluate(*density, x_);
  const std::uint64_t before = allocations();
  density->evaluate({kPoints, kObservedDim, x_.data()}, found.log_density.data(),
                    found.gradient.data());
  density->evaluate({kPoints, kObservedDim, x_.data()}, found.log_density.data(), nullptr);
  EXPECT_EQ(allocations(), before);
}

INSTANTIATE_TEST_SUITE_P(Ways, Observations,
                         testing::Values(ObservedBy::kIndices, ObservedBy::kOperator),
                         [](const testing::TestParamInfo<ObservedBy>& tested) {
                           return tested.param == ObservedBy::kIndices ? "indices" : "operator";
                         });

TEST(Observation, HasOneNoiseForAllValuesOrOneEach) {
  Observation each = random_observation(ObservedBy::kOperator, kValues, kObservedDim, 3);
  each.arrays["noise"] = {{kValues}, std::vector<double>(kValues, 0.7)};
  const Eigen::MatrixXd x = NumberStream(4).matrix(kObservedDim, 3, 2.0);
  const Found expected = evaluate(*likelihood(each, kObservedDim), x);
  int compared = 0;
  for (const std::vector<Index>& shape : {std::vector<Index>{}, std::vector<Index>{1}}) {
    Observation one = each;
    one.arrays["noise"] = {shape, {0.7}};
    EXPECT_EQ(evaluate(*likelihood(one, kObservedDim), x).log_density, expected.log_density);
    ++compared;
  }
  EXPECT_EQ(compared, 2);
}

TEST(Observation, OfOneCoordinateTwiceCountsTwice) {
  const Observation twice = {
      "twice.h5",
      {{"y", {{2}, {1.0, 2.0}}}, {"noise", {{2}, {0.5, 2.0}}}, {"indices", {{2}, {1.0, 1.0}}}}};
  const Found found = evaluate(*likelihood(twice, 2), Eigen::Vector2d(9.0, 3.0));
  EXPECT_NEAR(found.log_density[0], -0.5 * (16.0 + 0.25) - std::log(2.0 * M_PI), 1e-13);
  EXPECT_EQ(found.gradient(0, 0), 0.0);
  EXPECT_NEAR(found.gradient(1, 0), -(2.0 / 0.25 + 1.0 / 4.0), 1e-13);
}

/// A way to spoil an observation, and what the refusal says.
struct Spoilt {
  ObservedBy way;
  std::function<void(Observation&)> spoil;
  const char* sentence;
};

TEST(Observation, IsRefusedInOneSentence) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  using enum ObservedBy;
  const std::vector<Spoilt> cases = {
      {kIndices, [](Observation& o) { o.arrays.erase("y"); },
       "o.h5: an observation should have an array 'y': add it"},
      {kIndices, [](Observation& o) { o.arrays.erase("noise"); },
       "o.h5: an observation should have an array 'noise': add it"},
      {kIndices, [](Observation& o) { o.arrays.erase("indices"); },
       "o.h5: an observation should have either 'operator' [m x dim] or 'indices' [m], but has "
       "neither: add one"},
      {kIndices,
       [](Observation& o) {
         o.arrays["operator"] = {{1}, {1.0}};
       },
       "o.h5: an observation should have either 'operator' [m x dim] or 'indices' [m], but has "
       "both: remove one"},
      {kIndices,
       [](Observation& o) {
         o.arrays["y"] = {{}, {1.0}};
       },
       "o.h5: 'y' should be [m] with m of at least 1 but is []"},
      {kIndices,
       [](Observation& o) {
         o.arrays["y"] = {{0}, {}};
       },
       "o.h5: 'y' should be [m] with m of at least 1 but is [0]"},
      {kIndices, [=](Observation& o) { o.arrays["y"].values[2] = nan; },
       "o.h5: 'y' should be finite, but its value 2 is nan"},
      {kIndices,
       [](Observation& o) {
         o.arrays["noise"] = {{2}, {1.0, 1.0}};
       },
       "o.h5: 'noise' should be one number or [11], as y is, but is [2]"},
      {kIndices,
       [](Observation& o) {
         o.arrays["noise"] = {{1, 1}, {1.0}};
       },
       "o.h5: 'noise' should be one number or [11], as y is, but is [1 x 1]"},
      {kIndices, [](Observation& o) { o.arrays["noise"].values[0] = 0.0; },
       "o.h5: 'noise' should be standard deviations above 0, but one is 0"},
      {kIndices, [](Observation& o) { o.arrays["indices"].values[1] = 37.0; },
       "o.h5: 'indices' should be whole numbers from 0 to 36, since the flow has 37 coordinates, "
       "but one is 37"},
      {kIndices, [](Observation& o) { o.arrays["indices"].values[1] = -1.0; },
       "o.h5: 'indices' should be whole numbers from 0 to 36, since the flow has 37 coordinates, "
       "but one is -1"},
      {kIndices, [](Observation& o) { o.arrays["indices"].values[1] = 0.5; },
       "o.h5: 'indices' should be whole numbers from 0 to 36, since the flow has 37 coordinates, "
       "but one is 0.5"},
      {kIndices,
       [](Observation& o) {
         o.arrays["indices"] = {{1}, {1.0}};
       },
       "o.h5: 'indices' should be [11], as y is, but is [1]"},
      {kOperator, [=](Observation& o) { o.arrays["operator"].values[38] = -HUGE_VAL; },
       "o.h5: 'operator' should be finite, but its value 38 is -inf"},
      {kOperator,
       [](Observation& o) {
         o.arrays["operator"].shape = {kObservedDim, kValues};
       },
       "o.h5: 'operator' should be [11 x 37], a row for each value of y and a column for each "
       "coordinate of the flow, but is [37 x 11]"},
  };
  std::size_t refused = 0;
  for (const Spoilt& tested : cases) {
    Observation observation = random_observation(tested.way, kValues, kObservedDim, 3);
    observation.name = "o.h5";
    tested.spoil(observation);
    try {
      likelihood(observation, kObservedDim);
      ADD_FAILURE() << "taken: " << tested.sentence;
    } catch (const InputError& error) {
      EXPECT_EQ(error.what(), std::string(tested.sentence));
      ++refused;
    }
  }
  EXPECT_EQ(refused, cases.size());
}

}  // namespace
}  // namespace flotilla::test
