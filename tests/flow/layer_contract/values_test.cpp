// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>

#include "flotilla/flow/flow.hpp"
#include "flow/layer_contract/scene.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

// Tests the images and log dets of forward() and inverse(), for every layer type. The truth is a
// dense Jacobian from finite differences of forward() in double precision.

namespace flotilla::test {
namespace {

class LayerValues : public LayerContract {};
INSTANTIATE_TEST_SUITE_P(, LayerValues, testing::ValuesIn(layer_cases()), name_of);

// The premise of the tolerances.
TEST_P(LayerValues, TheCasesAreWellConditioned) {
  holds([](const Scene& scene) {
    double largest = 0.0;
    for (const Differences& at : scene.differences()) {
      const Eigen::VectorXd stretches = singular_values(at.jacobian);
      largest = std::max({largest, stretches.maxCoeff(), 1.0 / stretches.minCoeff()});
    }
    EXPECT_GT(largest, 0.0);
    EXPECT_LT(largest, 32.0);
  });
}

TEST_P(LayerValues, InverseTakesBackWhatForwardDid) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    const auto back = scene.layer->inverse(there->image());
    EXPECT_LE(largest_deviation(back->image(), scene.z), scene.amplified_rounding());
    const auto again = scene.layer->forward(back->image());
    EXPECT_LE(largest_deviation(again->image(), there->image()), scene.amplified_rounding());
  });
}

TEST_P(LayerValues, ForwardIsTheReferenceInDouble) {
  holds([](const Scene& scene) {
    const Images expected = images(*scene.reference, scene.z);
    const auto there = scene.layer->forward(scene.z);
    EXPECT_LE(largest_deviation(there->image(), expected.x), scene.amplified_rounding());
    EXPECT_LE(largest_deviation(there->log_det(), expected.log_det), scene.amplified_rounding());
  });
}

TEST_P(LayerValues, BothWaysGiveTheSameLogDet) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    const auto back = scene.layer->inverse(there->image());
    EXPECT_LE(largest_deviation(back->log_det(), there->log_det()), scene.amplified_rounding());
  });
}

TEST_P(LayerValues, LogDetIsThatOfTheDenseJacobian) {
  holds([](const Scene& scene) {
    Eigen::MatrixXd expected(1, scene.chains);
    Index column = 0;
    for (const Differences& at : scene.differences()) {
      expected(0, column++) = log_abs_det(at.jacobian);
    }
    ASSERT_EQ(column, scene.chains);
    EXPECT_LE(largest_deviation(scene.layer->forward(scene.z)->log_det(), expected),
              scene.differencing());
  });
}

TEST_P(LayerValues, LogDetIsAddedToWhatIsThere) {
  holds([](const Scene& scene) {
    constexpr double kBefore = 1024.0;  // its sum with a log det has a rounding of 1e-13
    const Subject& layer = *scene.layer;
    const Eigen::MatrixXd forth = layer.forward(scene.z, kBefore)->log_det().array() - kBefore;
    EXPECT_LE(largest_deviation(forth, layer.forward(scene.z)->log_det()), 1e-11);
    const Eigen::MatrixXd back = layer.inverse(scene.x, kBefore)->log_det().array() - kBefore;
    EXPECT_LE(largest_deviation(back, layer.inverse(scene.x)->log_det()), 1e-11);
  });
}

/// Whether a case has a layer of this type alone, in every dimension of the suite. A squeeze needs
/// it only in dimensions of images that can be halved. A residual layer has a dense Jacobian: in 64
/// dimensions the suite would take a minute. A curve is solved for column by column, and knows
/// nothing of the other coordinates.
bool is_alone_in_every_dimension(std::string_view type, const std::vector<LayerCase>& cases) {
  std::vector<Index> dims = {1, 2, 3, 7, 64};
  if (type == "squeeze") dims = {4, 24, 64};
  if (type == "residual") dims = {1, 2, 3, 7, 16};
  for (const auto& [map, parameters] : curve_maps(std::string(type.substr(type.rfind('_') + 1)))) {
    if (map.type == type) dims = {1, 2, 3};
  }
  return std::all_of(dims.begin(), dims.end(), [&](Index dim) {
    return std::any_of(cases.begin(), cases.end(), [&](const LayerCase& tested) {
      return tested.record.dim == dim && tested.record.layers.size() == 1 &&
             tested.record.layers.front().type == type;
    });
  });
}

TEST(LayerCases, CoverEveryLayerTypeThatFlowFilesMayHold) {
  std::vector<std::string> missing;
  for (const std::string_view type : layer_types()) {
    const bool alone = is_alone_in_every_dimension(type, layer_cases());
    std::vector<LayerRecord> composites = rich_flow(5, 1).layers;
    for (const LayerRecord& layer : curved_flow(3, 15).layers) composites.push_back(layer);
    const bool composed = std::any_of(composites.begin(), composites.end(),
                                      [&](const LayerRecord& layer) { return layer.type == type; });
    if (!alone || !composed) missing.emplace_back(type);
  }
  EXPECT_FALSE(layer_types().empty());
  EXPECT_EQ(missing, std::vector<std::string>{});
}

}  // namespace
}  // namespace flotilla::test
