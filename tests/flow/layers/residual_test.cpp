// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/residual.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

// Where residual flows go wrong: many coordinates, contractions that hardly contract, and networks
// that are none.

namespace flotilla::test {
namespace {

/// The largest miss of inverse() after forward(), and the largest |difference| of their log dets.
template <typename T>
std::pair<double, double> round_trip(const LayerRecord& record, Index dim) {
  const auto layer = make_layer<T>(record, 0, dim);
  constexpr Index kChains = 8;
  NumberStream numbers(3);
  const Eigen::MatrixXd z = to_matrix(to_batch<T>(numbers.matrix(dim, kChains, 2.0)));
  Batch<T> point = to_batch<T>(z);
  PerChain log_det(1, kChains);
  Tape<T> tape(layer->tape_shape(), kChains);
  layer->forward(point, log_det, tape);
  PerChain back(1, kChains);
  layer->inverse(point, back, tape);
  return {largest_deviation(to_matrix(point), z),
          largest_deviation(to_matrix(back), to_matrix(log_det))};
}

TEST(Residual, TakesBackWhatItDidInSixtyFourCoordinates) {
  const LayerRecord layer =
      random_residual(64, {"linear silu linear tanh linear", {24, 20}, 1.0}, 0.9, 1);
  const auto [z, log_det] = round_trip<double>(layer, 64);
  EXPECT_LE(z, 1e-13);
  EXPECT_LE(log_det, 1e-12);
  const auto [single_z, single_log_det] = round_trip<float>(layer, 64);
  EXPECT_LE(single_z, 1e-4);
  EXPECT_LE(single_log_det, 1e-3);
}

// z + g(z) with g = -c tanh: flat at the origin, where plain steps of the fixed point would take
// log(tolerance) / log(c) of them, 36,000 for this c.
TEST(Residual, FindsTheInverseOfASlowContraction) {
  LayerRecord layer{"residual", {{"activation", "tanh"}}, {}, {}};
  layer.arrays["weight_0"] = {{1, 1}, {1.0}};
  layer.arrays["bias_0"] = {{1}, {0.0}};
  layer.arrays["weight_1"] = {{1, 1}, {-0.999}};
  layer.arrays["bias_1"] = {{1}, {0.0}};
  const auto residual = make_layer<double>(layer, 0, 1);
  Batch<double> point(1, 4);
  const std::vector<double> z = {1e-3, -0.25, 5.0, -40.0};
  for (Index c = 0; c < 4; ++c) point(0, c) = z[static_cast<std::size_t>(c)];
  PerChain log_det(1, 4);
  Tape<double> tape(residual->tape_shape(), 4);
  residual->forward(point, log_det, tape);
  residual->inverse(point, log_det, tape);
  for (Index c = 0; c < 4; ++c) {
    const double expected = z[static_cast<std::size_t>(c)];
    EXPECT_NEAR(point(0, c), expected, 1e-11 * (1.0 + std::abs(expected)));
  }
}

TEST(Residual, AnInverseThatIsNotFoundIsNotANumber) {
  // x = z - 3 z is no contraction, but Newton's first step finds its inverse. x = z - 4 relu(z) has
  // no inverse at x > 0.
  LayerRecord layer{"residual", {{"activation", "relu"}}, {}, {}};
  layer.arrays["weight_0"] = {{1, 1}, {1.0}};
  layer.arrays["bias_0"] = {{1}, {0.0}};
  layer.arrays["weight_1"] = {{1, 1}, {-4.0}};
  layer.arrays["bias_1"] = {{1}, {0.0}};
  const auto residual = make_layer<double>(layer, 0, 1);
  Batch<double> point(1, 2);
  point(0, 0) = 1.0;
  point(0, 1) = -1.0;
  PerChain log_det(1, 2);
  Tape<double> tape(residual->tape_shape(), 2);
  residual->inverse(point, log_det, tape);
  EXPECT_TRUE(std::isnan(point(0, 0)));
  EXPECT_EQ(point(0, 1), -1.0);
}

std::string refusal(const LayerRecord& record, Index dim) {
  try {
    make_layer<double>(record, 0, dim);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Residual, RefusesWhatItCannotCompute) {
  const LayerRecord wide = random_residual(65, {"linear tanh linear", {4}, 1.0}, 0.9, 1);
  EXPECT_NE(refusal(wide, 65).find("at most 64 coordinates, but there are 65"), std::string::npos);
  const LayerRecord joined =
      random_residual(3, {"linear ( tanh linear ) linear", {4, 4}, 1.0}, 0.9, 1);
  EXPECT_NE(refusal(joined, 3).find("alternate linear maps and activations"), std::string::npos);
  const LayerRecord open = random_residual(3, {"linear tanh", {}, 1.0}, 0.9, 1);
  EXPECT_NE(refusal(open, 3).find("end with linear"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::test
