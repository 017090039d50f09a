// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/target/target.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

constexpr Index kDim = 3;
constexpr Index kChains = 40;
constexpr double kMean = 0.4;
constexpr double kWidth = 1.5;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double log_base(const Eigen::VectorXd& z) {
  return -0.5 * z.squaredNorm() - 0.5 * kDim * std::log(2.0 * M_PI);
}

double log_normal(const Eigen::VectorXd& x) {
  return -0.5 * (x.array() - kMean).square().sum() / (kWidth * kWidth);
}

/// The formulas of src/README.md, targets.
double log_target(DensityRole role, double beta, const Eigen::VectorXd& z, const Eigen::VectorXd& x,
                  double log_det) {
  const double whole =
      role == DensityRole::kExplicit ? log_normal(x) + log_det : log_base(z) + log_normal(x);
  return (1.0 - beta) * log_base(z) + beta * whole;
}

template <typename T>
class DensityTargets : public testing::Test {
 protected:
  struct Found {
    PerChain log_density{1, kChains};
    Cotangents<T> cotangents{kDim, kChains};
  };

  Found evaluate(const DensityTarget<T>& target) const {
    Found found;
    target.evaluate(z_, x_, log_det_, found.log_density, found.cotangents);
    return found;
  }

  NormalDensity density_{kMean, kWidth};
  Flow<T> flow_{smooth_flow(kDim, 5)};
  Batch<T> z_ = to_batch<T>(NumberStream(1).matrix(kDim, kChains, 1.5));
  Batch<T> x_ = to_batch<T>(NumberStream(2).matrix(kDim, kChains, 2.0));
  PerChain log_det_ = to_batch<double>(NumberStream(3).matrix(1, kChains, 2.0));
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DensityTargets, Scalars, );

TYPED_TEST(DensityTargets, FollowTheirFormula) {
  int compared = 0;
  for (const DensityRole role : {DensityRole::kExplicit, DensityRole::kPosterior}) {
    for (const double beta : {0.0, 0.3, 1.0}) {
      const DensityTarget<TypeParam> target(this->flow_.base(), this->density_, role, beta);
      const auto found = this->evaluate(target);
      for (Index c = 0; c < kChains; ++c) {
        const double truth = log_target(role, beta, to_matrix(this->z_).col(c),
                                        to_matrix(this->x_).col(c), this->log_det_(0, c));
        EXPECT_NEAR(found.log_density(0, c), truth, 1e-12 * (1.0 + std::abs(truth)));
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 2 * 3 * kChains);
}

TYPED_TEST(DensityTargets, HaveTheCotangentsOfTheirFormula) {
  const double tolerance = std::is_same_v<TypeParam, float> ? 2e-6 : 1e-12;
  int compared = 0;
  for (const DensityRole role : {DensityRole::kExplicit, DensityRole::kPosterior}) {
    for (const double beta : {0.0, 0.3, 1.0}) {
      const DensityTarget<TypeParam> target(this->flow_.base(), this->density_, role, beta);
      EXPECT_EQ(target.depends_on_x(), beta > 0.0);
      const auto found = this->evaluate(target);
      const bool is_explicit = role == DensityRole::kExplicit;
      for (Index c = 0; c < kChains; ++c) {
        EXPECT_NEAR(found.cotangents.log_det_bar(0, c), is_explicit ? beta : 0.0, tolerance);
        for (Index i = 0; i < kDim; ++i) {
          const double z = this->z_(i, c);
          const double x = this->x_(i, c);
          const double of_x = -beta * (x - kMean) / (kWidth * kWidth);
          EXPECT_NEAR(found.cotangents.x_bar(i, c), of_x, tolerance * (1.0 + std::abs(of_x)));
          EXPECT_NEAR(found.cotangents.z_bar(i, c), is_explicit ? -(1.0 - beta) * z : -z,
                      tolerance * (1.0 + std::abs(z)));
          ++compared;
        }
      }
    }
  }
  EXPECT_EQ(compared, 2 * 3 * kChains * kDim);
}

TYPED_TEST(DensityTargets, ShowTheDensityFinitePointsAlone) {
  const DensityTarget<TypeParam> target(this->flow_.base(), this->density_, DensityRole::kExplicit,
                                        1.0);
  const auto before = this->evaluate(target);
  EXPECT_EQ(this->density_.seen, kChains);
  this->x_(1, 0) = std::numeric_limits<TypeParam>::quiet_NaN();
  this->x_(0, 7) = std::numeric_limits<TypeParam>::infinity();
  this->log_det_(0, 39) = -kInfinity;
  const auto after = this->evaluate(target);
  EXPECT_EQ(this->density_.seen, 2 * kChains - 3);
  int kept = 0;
  for (Index c = 0; c < kChains; ++c) {
    const bool lost = c == 0 || c == 7 || c == 39;
    EXPECT_EQ(after.log_density(0, c), lost ? -kInfinity : before.log_density(0, c)) << c;
    for (Index i = 0; i < kDim; ++i) {
      EXPECT_EQ(after.cotangents.x_bar(i, c), lost ? 0 : before.cotangents.x_bar(i, c)) << c;
    }
    kept += lost ? 0 : 1;
  }
  EXPECT_EQ(kept, kChains - 3);
}

TYPED_TEST(DensityTargets, DoNotCallTheDensityWhereItHasNoShare) {
  const DensityTarget<TypeParam> naive(this->flow_.base(), this->density_, DensityRole::kExplicit,
                                       0.0);
  this->log_det_(0, 5) = kInfinity;
  this->x_(0, 6) = std::numeric_limits<TypeParam>::quiet_NaN();
  const auto found = this->evaluate(naive);
  EXPECT_EQ(this->density_.calls, 0);
  EXPECT_TRUE(to_matrix(found.log_density).allFinite());
}

TYPED_TEST(DensityTargets, AllocateNothingAfterTheFirstCall) {
  const DensityTarget<TypeParam> target(this->flow_.base(), this->density_, DensityRole::kExplicit,
                                        0.5);
  auto found = this->evaluate(target);
  const std::uint64_t before = allocations();
  for (int k = 0; k < 3; ++k) {
    target.evaluate(this->z_, this->x_, this->log_det_, found.log_density, found.cotangents);
  }
  EXPECT_EQ(allocations(), before);
}

TYPED_TEST(DensityTargets, RefuseWhatHasNoMeaning) {
  int refused = 0;
  for (const double beta : {-0.1, 1.1, std::nan(""), kInfinity}) {
    EXPECT_THROW(
        DensityTarget<TypeParam>(this->flow_.base(), this->density_, DensityRole::kPosterior, beta),
        InputError)
        << beta;
    ++refused;
  }
  EXPECT_EQ(refused, 4);
}

}  // namespace
}  // namespace flotilla::test
