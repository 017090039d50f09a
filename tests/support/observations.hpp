// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Dense>
#include <cstdint>

#include "flotilla/target/observation.hpp"

namespace flotilla::test {

/// How an observation tells A.
enum class ObservedBy { kIndices, kOperator };

/// An observation of random values, with noise of its own for each of them.
Observation random_observation(ObservedBy way, Index values, Index dim, std::uint64_t seed);

/// The same observation as dense algebra: y = A x + noise.
struct LinearModel {
  Eigen::MatrixXd matrix;  ///< A
  Eigen::VectorXd y;
  Eigen::VectorXd noise;
};
LinearModel model_of(const Observation& observation, Index dim);

}  // namespace flotilla::test
