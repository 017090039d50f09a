// SPDX-License-Identifier: BSD-3-Clause

// Posteriors of what was observed, y = A x + noise, with a flow as the prior. Under an affine flow
// x = M z + b they are Gaussian: with W = A M / noise, z has precision I + W^T W and mean
// (I + W^T W)^-1 W^T (y - A b) / noise. On a flow of two moons the truth is importance sampling.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "flotilla/io/flow_file.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/observation.hpp"
#include "flotilla/target/target.hpp"
#include "support/batches.hpp"
#include "support/chain_study.hpp"
#include "support/choices.hpp"
#include "support/dense_jacobian.hpp"
#include "support/observations.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

// Twenty moments in each of 12 settings are 240 comparisons. At four standard errors they raise a
// false alarm once in sixty seeds.
constexpr double kThreshold = 4.0;
constexpr Index kDim = 5;
constexpr Index kValues = 3;  // fewer than coordinates: the prior decides what is left
constexpr Index kChains = 512;

FlowRecord affine_flow() {
  return flow_of(kDim, {random_lu_linear(kDim, 5), random_diagonal_affine(kDim, 6),
                        random_permutation(kDim, 7)});
}

struct Gaussian {
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
};

/// The posterior of x in closed form.
Gaussian posterior_of(const Observation& observation) {
  const Flow<double> flow(affine_flow());
  const Eigen::VectorXd origin = Eigen::VectorXd::Zero(kDim);
  const Eigen::MatrixXd map = dense_jacobian(flow, origin);
  const Eigen::VectorXd offset = images(flow, origin).x;
  const LinearModel model = model_of(observation, kDim);
  const Eigen::VectorXd weight = model.noise.cwiseInverse();
  const Eigen::MatrixXd w = weight.asDiagonal() * model.matrix * map;
  const Eigen::VectorXd aim = weight.asDiagonal() * (model.y - model.matrix * offset);
  const Eigen::MatrixXd precision = Eigen::MatrixXd::Identity(kDim, kDim) + w.transpose() * w;
  const Eigen::MatrixXd covariance = precision.inverse();
  return {map * covariance * w.transpose() * aim + offset, map * covariance * map.transpose()};
}

struct Setting {
  const char* kernel;
  double global_fraction;
};

template <typename T>
void expect_posterior(const Observation& observation, const Setting& setting) {
  const Flow<T> flow(affine_flow());
  const std::unique_ptr<Density> density = likelihood(observation, kDim);
  const DensityTarget<T> target(flow.base(), *density, DensityRole::kPosterior, 1.0);
  const Kernel<T> kernel(flow, target, make_local_move<T>({setting.kernel, {}}),
                         setting.global_fraction);
  ChainStudy<T> study(kernel, kChains, 11);
  study.warm_up(400, 0.3);
  const Gaussian truth = posterior_of(observation);
  std::vector<Functional> functionals;
  std::vector<double> expected;
  for (Index i = 0; i < kDim; ++i) {
    functionals.emplace_back([=](const double*, const double* x) { return x[i]; });
    expected.push_back(truth.mean[i]);
    for (Index j = 0; j <= i; ++j) {
      functionals.emplace_back([=, &truth](const double*, const double* x) {
        return (x[i] - truth.mean[i]) * (x[j] - truth.mean[j]);
      });
      expected.push_back(truth.covariance(i, j));
    }
  }
  const std::vector<Estimate> found = study.estimate(300, 2, functionals);
  ASSERT_EQ(found.size(), std::size_t{kDim + kDim * (kDim + 1) / 2});
  for (std::size_t k = 0; k < found.size(); ++k) {
    EXPECT_LE(distance(found[k], expected[k]), kThreshold)
        << k << ": " << found[k].mean << " +- " << found[k].error << ", truth " << expected[k];
  }
}

using Case = std::tuple<ObservedBy, Setting, std::string>;
class AffinePosterior : public testing::TestWithParam<Case> {};

TEST_P(AffinePosterior, HasItsMomentsInClosedForm) {
  const auto& [way, setting, precision] = GetParam();
  const Observation observation = random_observation(way, kValues, kDim, 3);
  if (precision == "float") expect_posterior<float>(observation, setting);
  if (precision == "double") expect_posterior<double>(observation, setting);
}

std::string name_of(const testing::TestParamInfo<Case>& tested) {
  const auto& [way, setting, precision] = tested.param;
  std::string name = std::string(way == ObservedBy::kIndices ? "indices_" : "operator_") +
                     setting.kernel + "_" + precision;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Ways, AffinePosterior,
    testing::Combine(testing::Values(ObservedBy::kIndices, ObservedBy::kOperator),
                     testing::Values(Setting{"ghmc", 0.0}, Setting{"mala", 0.0},
                                     Setting{"metric-mala", 0.2}),
                     testing::Values("float", "double")),
    name_of);

/// Self-normalised importance sampling from q_Z with the likelihood as the weight.
std::vector<Estimate> importance_sampling(const Flow<double>& flow, const Density& density,
                                          const std::vector<Functional>& functionals) {
  constexpr Index kDraws = 200000;
  constexpr Index kWidth = 256;
  Batch<double> z(2, kWidth);
  Tape<double> tape(flow.tape_shape(), kWidth);
  std::vector<double> weights;
  std::vector<std::vector<double>> values(functionals.size());
  for (Index first = 0; first < kDraws; first += kWidth) {
    flow.base().sample(Random(77), Purpose::kNaive, 0, static_cast<std::uint64_t>(first),
                       ColumnMask::all(kWidth), z);
    Batch<double> x = z;
    PerChain log_det(1, kWidth);
    flow.forward(x, log_det, tape);
    for (Index c = 0; c < kWidth; ++c) {
      const double point[2] = {x(0, c), x(1, c)};
      double log_weight = 0.0;
      density.evaluate({1, 2, point}, &log_weight, nullptr);
      weights.push_back(std::exp(log_weight));
      for (std::size_t k = 0; k < values.size(); ++k) {
        values[k].push_back(functionals[k](point, point));
      }
    }
  }
  const auto all =
      Eigen::Map<const Eigen::VectorXd>(weights.data(), static_cast<Index>(weights.size()));
  EXPECT_GT(all.sum() * all.sum() / all.squaredNorm(), 5000.0) << "too uneven to be a truth";
  std::vector<Estimate> estimates;
  for (const std::vector<double>& value : values) {
    const Eigen::Map<const Eigen::VectorXd> of_draws(value.data(),
                                                     static_cast<Index>(value.size()));
    const double mean = all.dot(of_draws) / all.sum();
    const Eigen::VectorXd parts = (all.array() * (of_draws.array() - mean)).matrix() / all.sum();
    estimates.push_back({mean, parts.norm()});
  }
  return estimates;
}

// y is the height alone, between the moons: the posterior has a part on each of them.
TEST(TwoMoonsPosterior, AgreesWithImportanceSampling) {
  const Flow<double> flow(read_flow_file(FLOTILLA_SOURCE_DIR "/apps/flows/two_moons.h5"));
  const Observation observation = {
      "height.h5", {{"y", {{1}, {0.2}}}, {"noise", {{}, {0.15}}}, {"indices", {{1}, {1.0}}}}};
  const std::unique_ptr<Density> density = likelihood(observation, 2);
  const std::vector<Functional> functionals = {
      [](const double*, const double* x) { return x[0]; },
      [](const double*, const double* x) { return x[1]; },
      [](const double*, const double* x) { return x[0] * x[0]; },
      [](const double*, const double* x) { return x[1] * x[1]; },
      [](const double*, const double* x) { return x[0] < -0.5 ? 1.0 : 0.0; },
      [](const double*, const double* x) { return x[0] > 0.5 ? 1.0 : 0.0; },
  };
  const std::vector<Estimate> truth = importance_sampling(flow, *density, functionals);
  const DensityTarget<double> target(flow.base(), *density, DensityRole::kPosterior, 1.0);
  const Kernel<double> kernel(flow, target, make_local_move<double>({"ghmc", {}}), 0.3);
  ChainStudy<double> study(kernel, kChains, 12);
  study.warm_up(300, 0.3);
  const std::vector<Estimate> found = study.estimate(200, 3, functionals);
  int compared = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    EXPECT_LE(distance(found[k], truth[k]), kThreshold)
        << k << ": " << found[k].mean << " +- " << found[k].error << ", importance sampling has "
        << truth[k].mean << " +- " << truth[k].error;
    ++compared;
  }
  EXPECT_EQ(compared, 6);
}

}  // namespace
}  // namespace flotilla::test
