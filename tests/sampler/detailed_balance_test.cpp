// SPDX-License-Identifier: BSD-3-Clause

// Tests detailed balance without randomness: for random pairs a, b the probability flow from a to b
// equals that from b to a. Densities, Jacobians and proposal densities are computed from forward()
// alone.

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/sampler/kernel.hpp"
#include "flotilla/sampler/registry.hpp"
#include "flotilla/target/registry.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/negative_controls.hpp"
#include "support/normal_density.hpp"
#include "support/quadratic_target.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr double kBeta = 0.7;
constexpr double kStepSize = 0.6;
constexpr double kTolerance = 1e-10;
constexpr int kPairs = 20;

/// A target and a kernel at a point by the formulas of src/README.md. Of the code under test it
/// uses only the flow's values and, for targets of the registry, their log density.
struct Reference {
  Eigen::VectorXd z;
  Eigen::MatrixXd metric;    ///< J(z) for metric MALA, I for the Euclidean one
  Eigen::VectorXd gradient;  ///< grad_z log pi
  double log_density = 0.0;

  /// log q(to | z): z' = z + M^-1 [(eps^2/2) M^-T g + eps xi], up to a constant.
  double log_proposal(const Eigen::VectorXd& to) const {
    return -0.5 * noise_towards(to).squaredNorm() + log_abs_det(metric);
  }
  Eigen::VectorXd noise_towards(const Eigen::VectorXd& to) const {
    const Eigen::VectorXd score = metric.transpose().partialPivLu().solve(gradient);
    return (metric * (to - z) - 0.5 * kStepSize * kStepSize * score) / kStepSize;
  }
};

/// log pi(z) from z, its image and l.
using Density =
    std::function<double(const Eigen::VectorXd& z, const Eigen::VectorXd& x, double log_det)>;
enum class Metric { kFlow, kIdentity };

double tempered(const Eigen::VectorXd& z, const Eigen::VectorXd& /*x*/, double log_det) {
  return -0.5 * z.squaredNorm() - kBeta * log_det;
}

double quadratic(const Eigen::VectorXd& /*z*/, const Eigen::VectorXd& x, double log_det) {
  return -0.5 * (x.array() - 0.3).square().sum() / 4.0 + log_det;
}

/// A target as a function of log q_Z and l, without its cotangents.
Density density_of(const Target<double>& target) {
  return [&target](const Eigen::VectorXd& z, const Eigen::VectorXd& x, double log_det) {
    PerChain log_dets(1, 1);
    PerChain log_density(1, 1);
    Cotangents<double> cotangents(z.size(), 1);
    log_dets.fill(log_det);
    target.evaluate(to_batch<double>(z), to_batch<double>(x), log_dets, log_density, cotangents);
    return log_density(0, 0);
  };
}

Reference refer(const Flow<double>& flow, const Eigen::VectorXd& z, const Density& density,
                Metric metric) {
  const Eigen::MatrixXd jacobian = dense_jacobian(flow, z);
  Reference result;
  result.z = z;
  result.metric =
      metric == Metric::kFlow ? jacobian : Eigen::MatrixXd::Identity(z.size(), z.size()).eval();
  result.log_density = density(z, images(flow, z).x.col(0), log_abs_det(jacobian));
  result.gradient = gradient(
      [&](const Eigen::VectorXd& at) {
        const Images image = images(flow, at);
        return density(at, image.x.col(0), image.log_det(0));
      },
      z);
  return result;
}

/// The code under test at one point: a tile of one chain.
struct Evaluated {
  Evaluated(const Flow<double>& flow, const Target<double>& target, const LocalMove<double>& move,
            const Eigen::VectorXd& z)
      : point(flow, 1) {
    Cotangents<double> cotangents(flow.dim(), 1);
    point.move_to(to_batch<double>(z));
    point.x = point.z;
    flow.forward(point.x, point.log_det, point.tape);
    target.evaluate(point.z, point.x, point.log_det, point.log_density, cotangents);
    move.prepare(flow, cotangents, target.depends_on_x(), point);
  }
  Point<double> point;
};

struct Case {
  const Flow<double>& flow;
  const Target<double>& target;
  const LocalMove<double>& move;
  Density density;
  Metric metric;
};

/// The largest errors over random pairs a, b.
struct Violation {
  double arrival = 0.0;  ///< distance from b after proposing from a with the noise that leads to b
  double balance = 0.0;  ///< difference of the log probability flows from a to b and back
};

/// log of the code's acceptance probability for the step from a to b.
double log_alpha(const Case& c, const Evaluated& a, const Evaluated& b, const Reference& from,
                 const Eigen::VectorXd& to, Violation& violation) {
  const Batch<double> noise = to_batch<double>(from.noise_towards(to));
  Batch<double> displacement(c.flow.dim(), 1);
  c.move.propose(c.flow, a.point, StepSize(kStepSize), noise, displacement);
  const Eigen::MatrixXd proposed = from.z + to_matrix(displacement);
  violation.arrival = std::max(violation.arrival, largest_deviation(proposed, to));
  PerChain ratio(1, 1);
  c.move.log_ratio(c.flow, a.point, b.point, StepSize(kStepSize), noise, displacement, ratio);
  return std::min(0.0, b.point.log_density(0, 0) - a.point.log_density(0, 0) + ratio(0, 0));
}

Violation largest_violation(const Case& c) {
  NumberStream numbers(11);
  Violation largest;
  int pairs = 0;
  for (; pairs < kPairs; ++pairs) {
    const Eigen::VectorXd a = numbers.matrix(c.flow.dim(), 1, 1.5);
    const Eigen::VectorXd b = a + numbers.matrix(c.flow.dim(), 1, 0.8);
    const Reference at_a = refer(c.flow, a, c.density, c.metric);
    const Reference at_b = refer(c.flow, b, c.density, c.metric);
    const Evaluated code_a(c.flow, c.target, c.move, a);
    const Evaluated code_b(c.flow, c.target, c.move, b);
    const double there =
        at_a.log_density + at_a.log_proposal(b) + log_alpha(c, code_a, code_b, at_a, b, largest);
    const double back =
        at_b.log_density + at_b.log_proposal(a) + log_alpha(c, code_b, code_a, at_b, a, largest);
    largest.balance = std::max(largest.balance, std::abs(there - back));
  }
  EXPECT_EQ(pairs, kPairs);
  return largest;
}

void expect_balance(const Case& c) {
  const Violation violation = largest_violation(c);
  EXPECT_LE(violation.arrival, kTolerance);
  EXPECT_LE(violation.balance, kTolerance);
}

struct Setting {
  const char* name;
  FlowRecord record;
};

std::vector<Setting> settings() {
  return {{"shear", shear_flow(0.8)},
          {"real_nvp", random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3)},
          {"smooth", smooth_flow(4, 5)}};
}

/// The formula of each kernel's proposal. A kernel that is missing here has no truth to be tested
/// against.
const std::map<std::string, Metric> kMetrics = {
    {"metric-mala", Metric::kFlow}, {"mala", Metric::kIdentity}, {"ghmc", Metric::kIdentity}};

TEST(DetailedBalance, HoldsForEveryKernelUnderATemperedTarget) {
  std::size_t tried = 0;
  for (const Setting& setting : settings()) {
    const Flow<double> flow(setting.record);
    const TemperedTarget<double> target(flow.base(), kBeta);
    for (const KernelRow& kernel : kernel_registry()) {
      SCOPED_TRACE(std::string(setting.name) + ", " + kernel.choice.name);
      ASSERT_EQ(kMetrics.count(kernel.choice.name), 1U);
      const auto move = make_local_move<double>({kernel.choice.name, {}});
      expect_balance({flow, target, *move, tempered, kMetrics.at(kernel.choice.name)});
      ++tried;
    }
  }
  EXPECT_EQ(tried, 3 * kernel_registry().size());
}

TEST(DetailedBalance, HoldsForEveryKernelUnderEveryTarget) {
  const Flow<double> flow(smooth_flow(4, 5));
  const NormalDensity density(0.3, 2.0);
  std::size_t tried = 0;
  for (const TargetRow& row : target_registry()) {
    // A level in the midst of the points' log dets, so that it separates them.
    const auto target =
        make_target(resolve_target({row.choice.name, {}}, [](double) { return 0.1; }), flow,
                    row.needs_density ? &density : nullptr);
    for (const KernelRow& kernel : kernel_registry()) {
      SCOPED_TRACE(std::string(row.choice.name) + ", " + kernel.choice.name);
      ASSERT_EQ(kMetrics.count(kernel.choice.name), 1U);
      const auto move = make_local_move<double>({kernel.choice.name, {}});
      expect_balance({flow, *target, *move, density_of(*target), kMetrics.at(kernel.choice.name)});
      ++tried;
    }
  }
  EXPECT_EQ(tried, target_registry().size() * kernel_registry().size());
}

TEST(DetailedBalance, HoldsForATargetThatDependsOnTheDataPoint) {
  const Flow<double> flow(random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3));
  const QuadraticTarget<double> target(0.3, 2.0);
  const MetricMala<double> metric;
  const EuclideanMala<double> euclidean;
  expect_balance({flow, target, metric, quadratic, Metric::kFlow});
  expect_balance({flow, target, euclidean, quadratic, Metric::kIdentity});
}

TEST(DetailedBalance, FailsWhereTheTargetForgetsItsLogDet) {
  const Flow<double> flow(shear_flow(0.8));
  const TargetWithoutLogDet<double> target(flow.base());
  const MetricMala<double> move;
  const Violation violation = largest_violation({flow, target, move, tempered, Metric::kFlow});
  EXPECT_GT(violation.balance, 1e-2);
  EXPECT_GT(violation.arrival, 1e-2);  // its gradient is wrong as well
}

TEST(DetailedBalance, FailsWhereOneDirectionForgetsItsLogDet) {
  const Flow<double> flow(shear_flow(0.8));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const OneSidedLogDet<double> move;
  EXPECT_GT(largest_violation({flow, target, move, tempered, Metric::kFlow}).balance, 1e-2);
}

TEST(DetailedBalance, FailsWhereTheReverseDensityReusesTheNoise) {
  const Flow<double> flow(shear_flow(0.8));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const ReusedReverseNoise<double> move;
  EXPECT_GT(largest_violation({flow, target, move, tempered, Metric::kFlow}).balance, 1e-2);
}

// With scales a Euclidean move is z' = z + (eps^2/2) S^2 g + eps S xi, S = diag(sigma).
TEST(DetailedBalance, HoldsForAScaledMove) {
  const std::vector<double> scales = {0.3, 1.0, 2.0, 0.7};
  const Flow<double> flow(smooth_flow(4, 5));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const Eigen::VectorXd sigma = Eigen::VectorXd::Map(scales.data(), 4);
  std::size_t tried = 0;
  for (const KernelRow& row : kernel_registry()) {
    auto move = make_local_move<double>({row.choice.name, {}});
    if (!move->takes_scales()) continue;
    const Kernel<double> kernel(flow, target, std::move(move), 0.0);
    Workspace<double> work(kernel, 32);
    Batch<double> start(4, 32);
    flow.base().sample(Random(5), Purpose::kStart, 0, 0, ColumnMask::all(32), start);
    kernel.begin(work, start, scales);
    kernel.start_memory(Random(5), 0, work);
    const Eigen::MatrixXd from = to_matrix(work.current.position);
    kernel.step(Random(5), 0, 0, {StepSize(kStepSize), 1.0, scales}, work);
    const Eigen::MatrixXd noise = to_matrix(work.noise);
    const Eigen::MatrixXd to = to_matrix(work.proposed.position);
    const auto log_proposal = [&](const Reference& at, const Eigen::VectorXd& there) {
      const Eigen::VectorXd drift = at.gradient.cwiseProduct(sigma).cwiseProduct(sigma);
      const Eigen::VectorXd rest = there - at.z - 0.5 * kStepSize * kStepSize * drift;
      return -0.5 * (rest.cwiseQuotient(sigma) / kStepSize).squaredNorm();
    };
    for (Index c = 0; c < 32; ++c) {
      const Reference a = refer(flow, from.col(c), tempered, Metric::kIdentity);
      const Reference b = refer(flow, to.col(c), tempered, Metric::kIdentity);
      const Eigen::VectorXd drift = a.gradient.cwiseProduct(sigma).cwiseProduct(sigma);
      const Eigen::VectorXd expected =
          a.z + 0.5 * kStepSize * kStepSize * drift + kStepSize * sigma.cwiseProduct(noise.col(c));
      EXPECT_LE(largest_deviation(to.col(c), expected), kTolerance);
      const double log_alpha =
          b.log_density - a.log_density + log_proposal(b, a.z) - log_proposal(a, b.z);
      EXPECT_NEAR(work.outcome.acceptance(0, c), std::exp(std::min(0.0, log_alpha)), 1e-9);
    }
    ++tried;
  }
  EXPECT_EQ(tried, 2U);
}

// The global move has a ratio of densities: pi(a) q_Z(b) alpha = pi(b) q_Z(a) alpha'.
TEST(DetailedBalance, HoldsForTheIndependenceMove) {
  const Flow<double> flow(random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const Kernel<double> kernel(flow, target, std::make_unique<MetricMala<double>>(), 1.0);
  Workspace<double> work(kernel, 64);
  Batch<double> start(5, 64);
  flow.base().sample(Random(5), Purpose::kStart, 0, 0, ColumnMask::all(64), start);
  kernel.begin(work, start);
  const Eigen::MatrixXd from = to_matrix(work.current.z);
  kernel.step(Random(5), 0, 0, {StepSize(1.0)}, work);
  const Eigen::MatrixXd to = to_matrix(work.proposed.z);
  const Images at_from = images(flow, from);
  const Images at_to = images(flow, to);
  int uphill = 0;
  for (Index c = 0; c < 64; ++c) {
    const double expected =
        std::min(1.0, std::exp(kBeta * (at_from.log_det(c) - at_to.log_det(c))));
    EXPECT_NEAR(work.outcome.acceptance(0, c), expected, kTolerance);
    uphill += expected == 1.0 ? 1 : 0;
  }
  EXPECT_GT(uphill, 10);
  EXPECT_LT(uphill, 54);
}

}  // namespace
}  // namespace flotilla::test
