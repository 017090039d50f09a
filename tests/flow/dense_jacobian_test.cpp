// SPDX-License-Identifier: BSD-3-Clause
#include "support/dense_jacobian.hpp"

#include <gtest/gtest.h>

#include "flotilla/flow/flow.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

// Compares the finite differences that other tests use as truth with formulas.

namespace flotilla {
namespace {

TEST(DenseJacobian, OfTheShearIsTheFormula) {
  constexpr double a = 0.75;
  const Flow<double> flow(test::shear_flow(a));
  const Eigen::MatrixXd points = test::NumberStream(1).matrix(2, 50, 2.0);
  const test::Images images = test::images(flow, points);
  int tested = 0;
  for (Index c = 0; c < points.cols(); ++c, ++tested) {
    const Eigen::VectorXd z = points.col(c);
    const double stretch = std::exp(a * z(0));
    const Eigen::VectorXd image{{z(0), z(1) * stretch}};
    const Eigen::MatrixXd jacobian{{1.0, 0.0}, {a * z(1) * stretch, stretch}};
    const Eigen::VectorXd gradient{{a, 0.0}};
    EXPECT_LE(test::largest_deviation(images.x.col(c), image), 1e-15);
    EXPECT_NEAR(images.log_det(c), a * z(0), 1e-15);
    const test::Differences found = test::differentiate(flow, z);
    // Rounding over the smallest step: 2e-16 * 9 * 2^11.
    EXPECT_LE(test::largest_deviation(found.jacobian, jacobian), 4e-12);
    EXPECT_LE(test::largest_deviation(found.log_det_gradient, gradient), 4e-12);
    EXPECT_LE(test::largest_deviation(test::jacobian_by_products(flow, z), jacobian), 1e-15);
    EXPECT_NEAR(test::log_abs_det(jacobian), a * z(0), 1e-14);
  }
  EXPECT_EQ(tested, 50);
}

TEST(DenseJacobian, AgreesWithProductsOnARichFlow) {
  const Flow<double> flow(test::smooth_flow(5, 1));
  const Eigen::MatrixXd points = test::NumberStream(2).matrix(5, 20, 1.5);
  int tested = 0;
  for (Index c = 0; c < points.cols(); ++c, ++tested) {
    const Eigen::VectorXd z = points.col(c);
    EXPECT_LE(
        test::largest_deviation(test::dense_jacobian(flow, z), test::jacobian_by_products(flow, z)),
        1e-10);
  }
  EXPECT_EQ(tested, 20);
}

TEST(DenseJacobian, ComparisonsThatDidNotHappenDoNotPass) {
  const Eigen::MatrixXd none(0, 3);
  const Eigen::MatrixXd one = Eigen::MatrixXd::Ones(2, 2);
  const Eigen::MatrixXd wrong = Eigen::MatrixXd::Constant(2, 2, std::nan(""));
  EXPECT_TRUE(std::isinf(test::largest_deviation(none, none)));
  EXPECT_TRUE(std::isinf(test::largest_deviation(one, one.topRows(1))));
  EXPECT_TRUE(std::isinf(test::largest_deviation(wrong, one)));
  EXPECT_TRUE(std::isinf(test::largest_deviation(wrong, wrong)));
  EXPECT_EQ(test::largest_deviation(one, one), 0.0);
  EXPECT_THROW(test::differing_bits(none, none), std::invalid_argument);
  EXPECT_EQ(test::differing_bits(0.0 * one, -0.0 * one), 4);
}

}  // namespace
}  // namespace flotilla
