// Detailed balance, without chance: for random pairs a, b the flow of probability from a to b
// equals that from b to a. Densities, Jacobians and proposal densities are computed from forward()
// alone.

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <memory>
#include <vector>

#include "flotilla/sampler/kernel.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/negative_controls.hpp"
#include "support/quadratic_target.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr double kBeta = 0.7;
constexpr double kStepSize = 0.6;
constexpr double kTolerance = 1e-10;
constexpr int kPairs = 20;

/// What METHOD.md says of a target and a kernel at a point, with nothing of the code under test but
/// the flow's values.
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

enum class Density { kTempered, kQuadratic };
enum class Metric { kFlow, kIdentity };

Reference refer(const Flow<double>& flow, const Eigen::VectorXd& z, Density density,
                Metric metric) {
  const Differences slopes = differentiate(flow, z);
  const Images image = images(flow, z);
  const double log_det = log_abs_det(slopes.jacobian);
  Reference result;
  result.z = z;
  result.metric = metric == Metric::kFlow ? slopes.jacobian
                                          : Eigen::MatrixXd::Identity(z.size(), z.size()).eval();
  if (density == Density::kTempered) {
    result.log_density = -0.5 * z.squaredNorm() - kBeta * log_det;
    result.gradient = -z - kBeta * slopes.log_det_gradient;
  } else {
    const Eigen::VectorXd gap = image.x.col(0).array() - 0.3;
    result.log_density = -0.5 * gap.squaredNorm() / 4.0 + log_det;
    result.gradient = slopes.jacobian.transpose() * (-gap / 4.0) + slopes.log_det_gradient;
  }
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

/// The largest errors found over random pairs a, b.
struct Violation {
  double arrival =
      0.0;  ///< of the proposal: the noise that should lead from a to b leads elsewhere
  double balance = 0.0;  ///< of the log of the probability flow, there and back
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

TEST(DetailedBalance, HoldsForBothKernelsUnderATemperedTarget) {
  int tried = 0;
  for (const Setting& setting : settings()) {
    const Flow<double> flow(setting.record);
    const TemperedTarget<double> target(flow.base(), kBeta);
    const MetricMala<double> metric;
    const EuclideanMala<double> euclidean;
    SCOPED_TRACE(setting.name);
    expect_balance({flow, target, metric, Density::kTempered, Metric::kFlow});
    expect_balance({flow, target, euclidean, Density::kTempered, Metric::kIdentity});
    ++tried;
  }
  EXPECT_EQ(tried, 3);
}

TEST(DetailedBalance, HoldsForATargetThatDependsOnTheDataPoint) {
  const Flow<double> flow(random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3));
  const QuadraticTarget<double> target(0.3, 2.0);
  const MetricMala<double> metric;
  const EuclideanMala<double> euclidean;
  expect_balance({flow, target, metric, Density::kQuadratic, Metric::kFlow});
  expect_balance({flow, target, euclidean, Density::kQuadratic, Metric::kIdentity});
}

TEST(DetailedBalance, FailsWhereTheTargetForgetsItsLogDet) {
  const Flow<double> flow(shear_flow(0.8));
  const TargetWithoutLogDet<double> target(flow.base());
  const MetricMala<double> move;
  const Violation violation =
      largest_violation({flow, target, move, Density::kTempered, Metric::kFlow});
  EXPECT_GT(violation.balance, 1e-2);
  EXPECT_GT(violation.arrival, 1e-2);  // its gradient is wrong as well
}

TEST(DetailedBalance, FailsWhereOneDirectionForgetsItsLogDet) {
  const Flow<double> flow(shear_flow(0.8));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const OneSidedLogDet<double> move;
  EXPECT_GT(largest_violation({flow, target, move, Density::kTempered, Metric::kFlow}).balance,
            1e-2);
}

TEST(DetailedBalance, FailsWhereTheReverseDensityReusesTheNoise) {
  const Flow<double> flow(shear_flow(0.8));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const ReusedReverseNoise<double> move;
  EXPECT_GT(largest_violation({flow, target, move, Density::kTempered, Metric::kFlow}).balance,
            1e-2);
}

// The global move's ratio is a formula of densities: pi(a) q_Z(b) alpha = pi(b) q_Z(a) alpha'.
TEST(DetailedBalance, HoldsForTheIndependenceMove) {
  const Flow<double> flow(random_real_nvp(5, 4, {.widths = {8, 8}, .activation = "tanh"}, 3));
  const TemperedTarget<double> target(flow.base(), kBeta);
  const Kernel<double> kernel(flow, target, std::make_unique<MetricMala<double>>(), 1.0);
  Workspace<double> work(kernel, 64);
  Batch<double> start(5, 64);
  flow.base().sample(Random(5), Purpose::kStart, 0, 0, ColumnMask::all(64), start);
  kernel.begin(work, start);
  const Eigen::MatrixXd from = to_matrix(work.current.z);
  kernel.step(Random(5), 0, 0, StepSize(1.0), work);
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
