// SPDX-License-Identifier: BSD-3-Clause

// Targets made of a density: their draws against moments that are known, whatever the flow.

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/density.hpp"
#include "support/batches.hpp"
#include "support/chain_study.hpp"
#include "support/choices.hpp"
#include "support/dense_jacobian.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kDim = 3;
constexpr Index kChains = 256;
constexpr Index kDraws = 150;
constexpr double kMean = 0.4;
constexpr double kWidth = 0.8;
// Two moments of each coordinate in each setting are about 200 comparisons.
constexpr double kThreshold = 4.0;

/// Untrained flows, none of which knows the density.
FlowRecord flow_of_family(const std::string& family) {
  const Program masked{"linear silu linear tanh linear", {12, 12}, 0.3};
  if (family == "affine_coupling") return random_real_nvp(kDim, 4, {.widths = {8, 8}}, 3);
  if (family == "spline_coupling") {
    std::vector<LayerRecord> layers;
    for (const std::vector<int>& mask : {std::vector<int>{1, 0, 1}, {0, 1, 0}, {1, 1, 0}}) {
      layers.push_back(random_coupling_of(spline_map("spline_coupling", 5, "linear", "softmax"),
                                          mask, masked, 14, 40 + layers.size()));
    }
    return flow_of(kDim, layers);
  }
  if (family == "autoregressive") {
    return flow_of(
        kDim, {random_autoregressive_of({"affine_autoregressive", {}, {}, {}}, kDim, masked, 2, 51),
               random_permutation(kDim, 52),
               inverted(random_autoregressive_of({"affine_autoregressive", {}, {}, {}}, kDim,
                                                 masked, 2, 53))});
  }
  // As in Glow: on an image of two by two pixels.
  const std::vector<Index> image = {1, 2, 2};
  const Program network{"linear silu linear", {3}, 0.5};
  return flow_of(
      4, {random_diagonal_affine(4, 61),
          random_convolutional_coupling_of({"affine_coupling", {}, {}, {}}, image, {1, 0, 0, 1},
                                           network, {{3, 3}, {1, 3}}, 2, 62),
          squeeze_layer(image), random_lu_linear(4, 63)});
}

std::vector<Functional> first_two_moments(Index dim) {
  std::vector<Functional> all;
  for (Index i = 0; i < dim; ++i) {
    all.emplace_back([i](const double*, const double* x) { return x[i]; });
    all.emplace_back([i](const double*, const double* x) { return x[i] * x[i]; });
  }
  return all;
}

std::vector<Estimate> draw(const Flow<double>& flow, const Target<double>& target,
                           const std::string& kernel, double global_fraction,
                           const std::vector<Functional>& functionals) {
  const Kernel<double> moving(flow, target, make_local_move<double>({kernel, {}}), global_fraction);
  ChainStudy<double> study(moving, kChains, 2025);
  study.warm_up(400, 0.5);
  return study.estimate(kDraws, 2, functionals);
}

/// The largest distance of a moment from its truth, in (joint) standard errors.
double largest_distance(const std::vector<Estimate>& found, const std::vector<Estimate>& truth) {
  EXPECT_EQ(found.size(), truth.size());
  double largest = 0.0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    EXPECT_LT(found[k].error, 0.15) << k << ": too wide to tell";
    largest = std::max(largest, distance(found[k], truth[k]));
  }
  return largest;
}

/// Means and second moments of N(kMean, kWidth^2) in every coordinate.
std::vector<Estimate> normal_truth(Index dim) {
  std::vector<Estimate> truth;
  for (Index i = 0; i < dim; ++i) {
    truth.push_back({kMean, 0.0});
    truth.push_back({kMean * kMean + kWidth * kWidth, 0.0});
  }
  return truth;
}

/// Moments under q_Z(z) L(f(z)) by self-normalised importance sampling, with standard errors.
std::vector<Estimate> importance_truth(const Flow<double>& flow, const Density& density) {
  constexpr Index kPoints = 60000;
  std::mt19937_64 engine(77);
  std::normal_distribution<double> normal;
  Eigen::MatrixXd z(flow.dim(), kPoints);
  for (double& value : z.reshaped()) value = normal(engine);
  const Eigen::MatrixXd x = images(flow, z).x;  // column after column: point after point
  Eigen::VectorXd weight(kPoints);
  density.evaluate({kPoints, flow.dim(), x.data()}, weight.data(), nullptr);
  weight = (weight.array() - weight.maxCoeff()).exp();
  weight /= weight.sum();
  std::vector<Estimate> truth;
  for (Index i = 0; i < flow.dim(); ++i) {
    for (const int power : {1, 2}) {
      const Eigen::ArrayXd value = x.row(i).transpose().array().pow(power);
      const double mean = weight.dot(value.matrix());
      truth.push_back({mean, std::sqrt((weight.array() * (value - mean)).square().sum())});
    }
  }
  return truth;
}

using Setting = std::tuple<std::string, std::string>;

class ExactTargets : public testing::TestWithParam<Setting> {
 protected:
  const std::string& kernel() const { return std::get<0>(GetParam()); }
  Flow<double> flow_{flow_of_family(std::get<1>(GetParam()))};
  NormalDensity density_{kMean, kWidth};
};

TEST_P(ExactTargets, DrawTheExplicitDensityThroughAnyFlow) {
  const DensityTarget<double> target(flow_.base(), density_, DensityRole::kExplicit, 1.0);
  const auto found = draw(flow_, target, kernel(), 0.2, first_two_moments(flow_.dim()));
  EXPECT_LE(largest_distance(found, normal_truth(flow_.dim())), kThreshold);
}

TEST_P(ExactTargets, DrawThePosteriorUnderAnyFlow) {
  const DensityTarget<double> target(flow_.base(), density_, DensityRole::kPosterior, 1.0);
  const auto found = draw(flow_, target, kernel(), 0.2, first_two_moments(flow_.dim()));
  EXPECT_LE(largest_distance(found, importance_truth(flow_, density_)), kThreshold);
}

INSTANTIATE_TEST_SUITE_P(EveryKernel, ExactTargets,
                         testing::Combine(testing::ValuesIn(kernel_names()),
                                          testing::Values("affine_coupling", "spline_coupling",
                                                          "autoregressive", "image")),
                         [](const testing::TestParamInfo<Setting>& tested) {
                           return test_name(std::get<0>(tested.param)) + "_" +
                                  std::get<1>(tested.param);
                         });

TEST(ExactTarget, FailsWhereLIsLeftOut) {
  const Flow<double> flow(flow_of_family("affine_coupling"));
  const NormalDensity density(kMean, kWidth);
  // Without l the explicit target is the posterior's, less the base density.
  class WithoutLogDet final : public Target<double> {
   public:
    WithoutLogDet(const Base<double>& base, const Density& density)
        : right_(base, density, DensityRole::kExplicit, 1.0) {}
    bool depends_on_x() const override { return true; }
    void evaluate(const Batch<double>& z, const Batch<double>& x, const PerChain& log_det,
                  PerChain& log_density, Cotangents<double>& cotangents) const override {
      right_.evaluate(z, x, log_det, log_density, cotangents);
      for (Index c = 0; c < z.chains(); ++c) log_density(0, c) -= log_det(0, c);
      cotangents.log_det_bar.fill(0.0);
    }

   private:
    DensityTarget<double> right_;
  };
  const WithoutLogDet wrong(flow.base(), density);
  const auto found = draw(flow, wrong, "ghmc", 0.2, first_two_moments(kDim));
  EXPECT_GT(largest_distance(found, normal_truth(kDim)), 10.0);
}

TEST(ExactTarget, DrawsTheLinearGaussianPosteriorInClosedForm) {
  const Flow<double> flow(
      flow_of(kDim, {random_lu_linear(kDim, 8), random_diagonal_affine(kDim, 9)}));
  const NormalDensity density(kMean, kWidth);
  // x = A z + b.
  const Eigen::VectorXd b = images(flow, Eigen::VectorXd::Zero(kDim)).x.col(0);
  const Eigen::MatrixXd a = images(flow, Eigen::MatrixXd::Identity(kDim, kDim)).x.colwise() - b;
  const Eigen::MatrixXd prior = (a * a.transpose()).inverse();
  const Eigen::MatrixXd covariance =
      (prior + Eigen::MatrixXd::Identity(kDim, kDim) / (kWidth * kWidth)).inverse();
  const Eigen::VectorXd mean =
      covariance * (prior * b + Eigen::VectorXd::Constant(kDim, kMean / (kWidth * kWidth)));
  std::vector<Estimate> truth;
  for (Index i = 0; i < kDim; ++i) {
    truth.push_back({mean(i), 0.0});
    truth.push_back({mean(i) * mean(i) + covariance(i, i), 0.0});
  }
  int kernels = 0;
  for (const std::string& kernel : kernel_names()) {
    const DensityTarget<double> target(flow.base(), density, DensityRole::kPosterior, 1.0);
    const auto found = draw(flow, target, kernel, 0.0, first_two_moments(kDim));
    EXPECT_LE(largest_distance(found, truth), kThreshold) << kernel;
    ++kernels;
  }
  EXPECT_EQ(kernels, 3);
}

// Under x = s z + t both ends of the path are Gaussian, and so is everything between.
TEST(ExactTarget, AnnealsFromTheBaseDensityToTheDensity) {
  constexpr double kScale = 1.5;
  constexpr double kShift = -0.5;
  const Flow<double> flow(diagonal_flow(kDim, kScale, kShift));
  const NormalDensity density(kMean, kWidth);
  int tried = 0;
  for (const double beta : {0.0, 0.25, 0.6}) {
    const double of_base = (1.0 - beta) / (kScale * kScale);
    const double of_density = beta / (kWidth * kWidth);
    const double variance = 1.0 / (of_base + of_density);
    const double mean = variance * (of_base * kShift + of_density * kMean);
    std::vector<Estimate> truth;
    for (Index i = 0; i < kDim; ++i) {
      truth.push_back({mean, 0.0});
      truth.push_back({mean * mean + variance, 0.0});
    }
    const DensityTarget<double> target(flow.base(), density, DensityRole::kExplicit, beta);
    EXPECT_LE(largest_distance(draw(flow, target, "ghmc", 0.2, first_two_moments(kDim)), truth),
              kThreshold)
        << beta;
    ++tried;
  }
  EXPECT_EQ(tried, 3);
}

struct Example {
  const char* name;
  const char* arguments;
  std::vector<Functional> functionals;
  std::vector<Estimate> truth;
};

TEST(ExactTarget, DrawsTheExamplesWithKnownMoments) {
  const Functional first = [](const double*, const double* x) { return x[0]; };
  const Functional second = [](const double*, const double* x) { return x[1]; };
  const Functional first_square = [](const double*, const double* x) { return x[0] * x[0]; };
  const Functional second_square = [](const double*, const double* x) { return x[1] * x[1]; };
  const Functional left = [](const double*, const double* x) { return x[0] < 0.0 ? 1.0 : 0.0; };
  const double in_left = 0.5 * std::erfc(-2.0 / std::sqrt(2.0));
  const std::vector<Example> examples = {
      {"funnel", "1", {first, first_square, second_square}, {{0, 0}, {1, 0}, {std::exp(0.5), 0}}},
      {"banana",
       "1.5,0.3",
       {second, first_square, second_square},
       {{0, 0}, {2.25, 0}, {1.0 + 2.0 * 0.09 * 2.25 * 2.25, 0}}},
      {"gaussian_mixture",
       "2",
       {first, left, second_square},
       {{0.8, 0}, {0.3 * in_left + 0.7 * (1.0 - in_left), 0}, {1, 0}}},
  };
  const Flow<double> flow(random_real_nvp(2, 4, {.widths = {8, 8}, .gain = 0.2}, 3));
  int drawn = 0;
  for (const Example& example : examples) {
    const std::string path = std::string(FLOTILLA_DENSITIES) + "/" + example.name + ".so";
    const auto density = open_density({path, example.arguments}, 2);
    const DensityTarget<double> target(flow.base(), *density, DensityRole::kExplicit, 1.0);
    const auto found = draw(flow, target, "ghmc", 0.3, example.functionals);
    EXPECT_LE(largest_distance(found, example.truth), kThreshold) << example.name;
    ++drawn;
  }
  EXPECT_EQ(drawn, 3);
}

}  // namespace
}  // namespace flotilla::test
