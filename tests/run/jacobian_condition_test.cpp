// SPDX-License-Identifier: BSD-3-Clause
#include "run/jacobian_condition.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/dense_jacobian.hpp"
#include "support/test_flows.hpp"

// Tests condition numbers of J. The truth is a dense Jacobian by finite differences, or known
// scales.

namespace flotilla::test {
namespace {

/// Condition numbers at the columns of z, and the columns themselves.
struct Found {
  Batch<double> z;
  std::vector<double> numbers;
};

Found conditions_of(const Flow<double>& flow, Index chains) {
  Found found{Batch<double>(flow.dim(), chains), {}};
  Random(5).normals(Purpose::kNaive, 0, 0, found.z);
  Batch<double> point = found.z;
  Tape<double> tape(flow.tape_shape(), chains);
  PerChain log_det(1, chains);
  flow.forward(point, log_det, tape);
  found.numbers = condition_numbers(flow, tape, chains);
  return found;
}

TEST(JacobianCondition, IsThatOfTheDenseJacobian) {
  const Flow<double> flow(smooth_flow(5, 3));
  const Found found = conditions_of(flow, 7);
  ASSERT_EQ(found.numbers.size(), 7U);
  for (Index c = 0; c < 7; ++c) {
    Eigen::VectorXd z(5);
    for (Index i = 0; i < 5; ++i) z(i) = found.z(i, c);
    const Eigen::VectorXd stretches = singular_values(dense_jacobian(flow, z));
    const double expected = stretches(0) / stretches(4);
    EXPECT_NEAR(found.numbers[static_cast<std::size_t>(c)], expected, 1e-6 * expected);
  }
}

TEST(JacobianCondition, IsBoundedFromBelowByPowerIterationInManyDimensions) {
  constexpr Index kDim = kDenseJacobian + 16;
  LayerRecord scales = constant_diagonal_affine(kDim, 1.0, 0.0);
  for (Index i = 0; i < kDim; ++i) {
    scales.arrays.at("scale").values[static_cast<std::size_t>(i)] = std::pow(1.1, i);
  }
  const Flow<double> flow(flow_of(kDim, {scales}));
  ASSERT_TRUE(has_conditions(flow));
  const double expected = std::pow(1.1, kDim - 1);
  for (const double number : conditions_of(flow, 5).numbers) {
    EXPECT_LE(number, expected * (1.0 + 1e-9));
    EXPECT_GE(number, 0.7 * expected);
  }
}

TEST(JacobianCondition, OfASingularJacobianIsInfinite) {
  LayerRecord scales = constant_diagonal_affine(3, 1.0, 0.0);
  scales.arrays.at("scale").values = {1.0, 1e300, 1e-300};
  for (const double number : conditions_of(Flow<double>(flow_of(3, {scales})), 2).numbers) {
    EXPECT_FALSE(number < 1e300);
  }
}

}  // namespace
}  // namespace flotilla::test
