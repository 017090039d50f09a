// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/target/target.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flow/base/standard_normal.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

long double log_normal(const Eigen::VectorXd& z) {
  long double sum = 0.0L;
  for (const double value : z) sum -= 0.5L * value * value;
  return sum - 0.5L * static_cast<long double>(z.size()) *
                   std::log(2.0L * std::numbers::pi_v<long double>);
}

/// The results of evaluate(), one column per chain.
struct Evaluation {
  Eigen::RowVectorXd log_density;
  Eigen::MatrixXd z_bar;
  Eigen::RowVectorXd log_det_bar;
};

template <typename T>
Evaluation evaluate(const Target<T>& target, const Eigen::MatrixXd& z,
                    const Eigen::RowVectorXd& log_det) {
  const Batch<T> point = test::to_batch<T>(z);
  const Batch<T> image(z.rows(), z.cols());
  PerChain log_density(1, z.cols());
  log_density.fill(kNaN);  // must be overwritten, not added to
  Cotangents<T> cotangents(z.rows(), z.cols());
  cotangents.z_bar.fill(static_cast<T>(kNaN));
  cotangents.log_det_bar.fill(static_cast<T>(kNaN));
  target.evaluate(point, image, test::to_batch<double>(log_det), log_density, cotangents);
  return {test::to_matrix(log_density).row(0), test::to_matrix(cotangents.z_bar),
          test::to_matrix(cotangents.log_det_bar).row(0)};
}

/// Log dets from far below a clip level to far above it.
Eigen::RowVectorXd spread_log_dets(Index chains) {
  return Eigen::RowVectorXd::LinSpaced(chains, -30.0, 40.0);
}

template <typename T>
class TargetOf : public testing::Test {
 protected:
  static constexpr Index kDim = 5;
  static constexpr Index kChains = 71;
  // Densities are always double, at points that T holds exactly.
  static constexpr double kDensityTolerance = 1e-14;
  // Cotangents are in T: one rounding, and a few more of the logistic function in double.
  static constexpr double kCotangentTolerance = 4.0 * std::numeric_limits<T>::epsilon();

  Eigen::MatrixXd z_ = test::NumberStream(1).matrix(kDim, kChains, 3.0);
  Eigen::RowVectorXd log_det_ = spread_log_dets(kChains);
  StandardNormal<T> base_{kDim};
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(TargetOf, Scalars);

TYPED_TEST(TargetOf, TemperedIsTheBaseDensityMinusBetaTimesTheLogDet) {
  int tested = 0;
  for (const double beta : {0.0, 0.5, 1.0, -0.25, 3.0}) {
    const Evaluation found =
        evaluate(TemperedTarget<TypeParam>(this->base_, beta), this->z_, this->log_det_);
    Eigen::RowVectorXd expected(this->kChains);
    for (Index c = 0; c < this->kChains; ++c) {
      expected(c) = static_cast<double>(log_normal(this->z_.col(c)) -
                                        static_cast<long double>(beta) * this->log_det_(c));
    }
    EXPECT_LE(test::largest_deviation(found.log_density, expected), this->kDensityTolerance);
    EXPECT_EQ(found.z_bar, -this->z_);
    EXPECT_EQ(found.log_det_bar, Eigen::RowVectorXd::Constant(this->kChains, -beta));
    ++tested;
  }
  EXPECT_EQ(tested, 5);
}

TYPED_TEST(TargetOf, ClippedChargesASoftplusOfWhatExceedsTheLevel) {
  int tested = 0;
  for (const double beta : {0.5, 1.0}) {
    for (const double level : {-2.0, 0.75}) {
      for (const double sharpness : {0.5, 4.0, 50.0}) {
        const Evaluation found =
            evaluate(ClippedTarget<TypeParam>(this->base_, beta, level, sharpness), this->z_,
                     this->log_det_);
        Eigen::RowVectorXd density(this->kChains);
        Eigen::RowVectorXd bar(this->kChains);
        for (Index c = 0; c < this->kChains; ++c) {
          // The formula as printed. long double reaches exp(11000), so it cannot overflow here.
          const long double u = static_cast<long double>(sharpness) *
                                (static_cast<long double>(this->log_det_(c)) - level);
          const long double softplus = std::log1p(std::exp(u)) / sharpness;
          density(c) = static_cast<double>(log_normal(this->z_.col(c)) - beta * softplus);
          bar(c) = static_cast<double>(-beta / (1.0L + std::exp(-u)));
        }
        EXPECT_LE(test::largest_deviation(found.log_density, density), this->kDensityTolerance);
        EXPECT_LE(test::largest_deviation(found.log_det_bar, bar), this->kCotangentTolerance);
        EXPECT_EQ(found.z_bar, -this->z_);
        ++tested;
      }
    }
  }
  EXPECT_EQ(tested, 12);
}

/// d log_density / d log_det by central differences. Their rounding error is 1e-14 * 40 / 1e-4.
Eigen::RowVectorXd log_det_slope(const Target<double>& target, const Eigen::MatrixXd& z,
                                 const Eigen::RowVectorXd& log_det) {
  constexpr double kStep = 1e-4;
  const Eigen::RowVectorXd above = evaluate(target, z, log_det.array() + kStep).log_density;
  const Eigen::RowVectorXd below = evaluate(target, z, log_det.array() - kStep).log_density;
  return (above - below) / (2.0 * kStep);
}

TEST(Target, CotangentsAreTheSlopesOfTheLogDensity) {
  constexpr Index kDim = 4;
  const Eigen::MatrixXd z = test::NumberStream(2).matrix(kDim, 50, 2.0);
  const Eigen::RowVectorXd log_det = Eigen::RowVectorXd::LinSpaced(50, -4.0, 5.0);
  const StandardNormal<double> base(kDim);
  const TemperedTarget<double> tempered(base, 0.7);
  const ClippedTarget<double> clipped(base, 0.9, 0.3, 2.0);
  int tested = 0;
  for (const Target<double>* target : {static_cast<const Target<double>*>(&tempered),
                                       static_cast<const Target<double>*>(&clipped)}) {
    const Evaluation found = evaluate(*target, z, log_det);
    // Truncation error: step^2 k^2 / 60, below 1e-9. The rounding error is larger.
    EXPECT_LE(test::largest_deviation(found.log_det_bar, log_det_slope(*target, z, log_det)), 1e-9);
    constexpr double kStep = 1e-4;
    Eigen::MatrixXd slope(kDim, z.cols());
    for (Index i = 0; i < kDim; ++i) {
      Eigen::MatrixXd above = z;
      Eigen::MatrixXd below = z;
      above.row(i).array() += kStep;
      below.row(i).array() -= kStep;
      slope.row(i) = (evaluate(*target, above, log_det).log_density -
                      evaluate(*target, below, log_det).log_density) /
                     (2.0 * kStep);
    }
    EXPECT_LE(test::largest_deviation(found.z_bar, slope), 1e-9);
    EXPECT_FALSE(target->depends_on_x());
    ++tested;
  }
  EXPECT_EQ(tested, 2);
}

/// grad_z log pi(z) as kernels compute it: z_bar + log_det_bar grad l, through the flow's vjp.
Eigen::VectorXd gradient_by_vjp(const Flow<double>& flow, const Target<double>& target,
                                const Eigen::VectorXd& z) {
  Batch<double> point = test::to_batch<double>(z);
  const Batch<double> start = point;
  PerChain log_det(1, 1);
  Tape<double> tape(flow.tape_shape(), 1);
  flow.forward(point, log_det, tape);
  PerChain log_density(1, 1);
  Cotangents<double> cotangents(flow.dim(), 1);
  target.evaluate(start, point, log_det, log_density, cotangents);
  Batch<double> gradient(flow.dim(), 1);
  flow.vjp(tape, gradient, cotangents.log_det_bar);
  return test::to_matrix(gradient) + test::to_matrix(cotangents.z_bar);
}

TEST(Target, GradientThroughAFlowIsThatOfTheLogDensity) {
  constexpr double kStep = 1e-4;
  constexpr Index kDim = 4;
  const Flow<double> flow(test::smooth_flow(kDim, 3));
  const TemperedTarget<double> tempered(flow.base(), 1.0);
  const ClippedTarget<double> clipped(flow.base(), 1.0, -1.0, 1.5);
  const Eigen::MatrixXd points = test::NumberStream(3).matrix(kDim, 10, 1.5);
  int tested = 0;
  for (const Target<double>* target : {static_cast<const Target<double>*>(&tempered),
                                       static_cast<const Target<double>*>(&clipped)}) {
    for (Index c = 0; c < points.cols(); ++c, ++tested) {
      const Eigen::VectorXd z = points.col(c);
      Eigen::MatrixXd shifted = z.replicate(1, 2 * kDim);
      for (Index i = 0; i < kDim; ++i) {
        shifted(i, 2 * i) += kStep;
        shifted(i, 2 * i + 1) -= kStep;
      }
      const Eigen::RowVectorXd log_det = test::images(flow, shifted).log_det;
      const Eigen::RowVectorXd density = evaluate(*target, shifted, log_det).log_density;
      Eigen::VectorXd slope(kDim);
      for (Index i = 0; i < kDim; ++i) {
        slope(i) = (density(2 * i) - density(2 * i + 1)) / (2.0 * kStep);
      }
      // The truncation error is step^2 times a third derivative of about 10; the rounding error is
      // 1e-10.
      EXPECT_LE(test::largest_deviation(gradient_by_vjp(flow, *target, z), slope), 1e-6);
    }
  }
  EXPECT_EQ(tested, 20);
}

TYPED_TEST(TargetOf, ClippedDoesNotOverflowAtExtremeLogDets) {
  const Eigen::RowVectorXd log_det{{-1e300, -1e8, -800.0, 800.0, 1e8, 1e300}};
  const Eigen::MatrixXd z = Eigen::MatrixXd::Zero(this->kDim, log_det.size());
  const Evaluation found =
      evaluate(ClippedTarget<TypeParam>(this->base_, 0.5, 2.0, 3.0), z, log_det);
  const auto constant = static_cast<double>(log_normal(z.col(0)));
  const Eigen::RowVectorXd charge{{0.0, 0.0, 0.0, 399.0, 0.5 * (1e8 - 2.0), 5e299}};
  EXPECT_LE(test::largest_deviation(found.log_density, constant - charge.array()), 1e-14);
  EXPECT_EQ(found.log_det_bar, (Eigen::RowVectorXd{{0.0, 0.0, 0.0, -0.5, -0.5, -0.5}}));
}

TYPED_TEST(TargetOf, ClippedIsMinusInfinityWhereTheLogDetIsInfinite) {
  const Eigen::RowVectorXd log_det{{kInfinity, -kInfinity, kNaN}};
  const Eigen::MatrixXd z = Eigen::MatrixXd::Zero(this->kDim, 3);
  const Evaluation found =
      evaluate(ClippedTarget<TypeParam>(this->base_, 0.5, 2.0, 3.0), z, log_det);
  EXPECT_EQ(found.log_density(0), -kInfinity);
  EXPECT_TRUE(std::isfinite(found.log_density(1)));
  EXPECT_TRUE(std::isnan(found.log_density(2)));
}

TYPED_TEST(TargetOf, TemperedAtBetaZeroNeverLooksAtTheLogDet) {
  const Eigen::RowVectorXd log_det{{kInfinity, -kInfinity, kNaN}};
  const Eigen::MatrixXd z = Eigen::MatrixXd::Zero(this->kDim, 3);
  const Evaluation found = evaluate(TemperedTarget<TypeParam>(this->base_, 0.0), z, log_det);
  const auto constant = static_cast<double>(log_normal(z.col(0)));
  EXPECT_LE(test::largest_deviation(found.log_density, Eigen::RowVectorXd::Constant(3, constant)),
            1e-15);
}

TYPED_TEST(TargetOf, ClippedAtBetaZeroNeverLooksAtTheLogDet) {
  const Eigen::RowVectorXd log_det{{kInfinity, -kInfinity, kNaN}};
  const Eigen::MatrixXd z = Eigen::MatrixXd::Zero(this->kDim, 3);
  const Evaluation found =
      evaluate(ClippedTarget<TypeParam>(this->base_, 0.0, 2.0, 3.0), z, log_det);
  const auto constant = static_cast<double>(log_normal(z.col(0)));
  EXPECT_LE(test::largest_deviation(found.log_density, Eigen::RowVectorXd::Constant(3, constant)),
            1e-15);
  EXPECT_EQ(found.log_det_bar, Eigen::RowVectorXd::Zero(3));
}

TYPED_TEST(TargetOf, ClippedFarBelowTheLevelIsTheBaseDensityAndFarAboveTheTemperedOne) {
  const TemperedTarget<TypeParam> free(this->base_, 0.0);
  const TemperedTarget<TypeParam> tempered(this->base_, 1.0);
  const Evaluation below =
      evaluate(ClippedTarget<TypeParam>(this->base_, 1.0, 1000.0, 2.0), this->z_, this->log_det_);
  EXPECT_LE(test::largest_deviation(below.log_density,
                                    evaluate(free, this->z_, this->log_det_).log_density),
            1e-15);
  const double level = -1000.0;
  const Evaluation above =
      evaluate(ClippedTarget<TypeParam>(this->base_, 1.0, level, 2.0), this->z_, this->log_det_);
  const Eigen::RowVectorXd expected =
      evaluate(tempered, this->z_, this->log_det_).log_density.array() + level;
  EXPECT_LE(test::largest_deviation(above.log_density, expected), this->kDensityTolerance);
}

template <typename Build>
std::string message_of(Build build) {
  try {
    build();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TYPED_TEST(TargetOf, RefusesParametersThatAreNotNumbers) {
  const StandardNormal<TypeParam>& base = this->base_;
  int tested = 0;
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    EXPECT_NE(message_of([&] { TemperedTarget<TypeParam>(base, bad); }).find("beta should be"),
              std::string::npos);
    EXPECT_NE(message_of([&] { ClippedTarget<TypeParam>(base, bad, 0, 1); }).find("beta should be"),
              std::string::npos);
    EXPECT_NE(message_of([&] { ClippedTarget<TypeParam>(base, 1, bad, 1); }).find("clip level"),
              std::string::npos);
    EXPECT_NE(message_of([&] { ClippedTarget<TypeParam>(base, 1, 0, bad); }).find("sharpness"),
              std::string::npos);
    ++tested;
  }
  EXPECT_EQ(tested, 3);
  EXPECT_NE(message_of([&] { ClippedTarget<TypeParam>(base, 1, 0, 0.0); }).find("positive"),
            std::string::npos);
  EXPECT_NE(message_of([&] { ClippedTarget<TypeParam>(base, 1, 0, -2.0); }).find("is -2"),
            std::string::npos);
}

}  // namespace
}  // namespace flotilla
