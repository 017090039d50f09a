// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "flow/layer_contract/scene.hpp"
#include "support/batches.hpp"

// The columns of a batch are independent chains, for every layer type. A column has the same bits
// wherever it stands, and no operation allocates.

namespace flotilla::test {
namespace {

class LayerColumns : public LayerContract {};
INSTANTIATE_TEST_SUITE_P(, LayerColumns, testing::ValuesIn(layer_cases()), name_of);

/// The results of all six operations. Image, log det and products: at a point reached by forward(),
/// then at a point reached by inverse().
Eigen::MatrixXd everything(const Subject& layer, const Inputs& inputs) {
  const auto there = layer.forward(inputs.z);
  const auto back = layer.inverse(inputs.x);
  Eigen::MatrixXd all(2 * (5 * inputs.z.rows() + 1), inputs.z.cols());
  all << there->image(), there->log_det(), products(*there, inputs), back->image(), back->log_det(),
      products(*back, inputs);
  return all;
}

TEST_P(LayerColumns, HaveTheSameBitsAloneAndAnywhereInABatch) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd together = everything(*scene.layer, scene);
    std::vector<Index> reversed(static_cast<std::size_t>(scene.chains));
    std::iota(reversed.rbegin(), reversed.rend(), Index{0});
    const Eigen::MatrixXd elsewhere = everything(*scene.layer, scene.columns(reversed));
    EXPECT_EQ(differing_bits(elsewhere, together(Eigen::all, reversed)), 0);
    // Another width, and another lane of another vector.
    std::vector<Index> shifted(37, 0);
    shifted.push_back(scene.chains - 1);
    const Eigen::MatrixXd wider = everything(*scene.layer, scene.columns(shifted));
    EXPECT_EQ(differing_bits(wider.col(37), together.col(scene.chains - 1)), 0);
    Index compared = 0;
    for (Index c = 0; c < scene.chains; ++c, ++compared) {
      const Eigen::MatrixXd alone = everything(*scene.layer, scene.columns({c}));
      EXPECT_EQ(differing_bits(alone, together.col(c)), 0) << c;
    }
    EXPECT_EQ(compared, scene.chains);
  });
}

TEST_P(LayerColumns, AreNotTouchedByANonFiniteOne) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd clean = everything(*scene.layer, scene);
    const Index lost = scene.chains / 2;
    int tested = 0;
    for (const double poison : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      Inputs poisoned = scene;
      poisoned.z.col(lost).setConstant(poison);
      poisoned.x.col(lost).setConstant(poison);
      poisoned.v.col(lost).setConstant(poison);
      poisoned.w.col(lost).setConstant(poison);
      poisoned.log_det_bar(0, lost) = poison;
      const Eigen::MatrixXd found = everything(*scene.layer, poisoned);
      Index spared = 0;
      for (Index c = 0; c < scene.chains; ++c) {
        if (c == lost) continue;
        EXPECT_EQ(differing_bits(found.col(c), clean.col(c)), 0) << poison << " to " << c;
        ++spared;
      }
      EXPECT_EQ(spared, scene.chains - 1);
      ++tested;
    }
    EXPECT_EQ(tested, 3);
  });
}

TEST_P(LayerColumns, AreNaNWhereNaNWentIn) {
  holds([](const Scene& scene) {
    Eigen::MatrixXd z = scene.z;
    z.col(0).setConstant(std::nan(""));
    EXPECT_TRUE(scene.layer->forward(z)->image().col(0).array().isNaN().all());
    EXPECT_TRUE(scene.layer->inverse(z)->image().col(0).array().isNaN().all());
  });
}

TEST_P(LayerColumns, AreMovedWithoutAllocating) {
  holds([](const Scene& scene) {
    EXPECT_EQ(scene.layer->allocations(scene.z, scene.v, scene.log_det_bar), 0U);
  });
}

TEST_P(LayerColumns, TakenOverFromAnotherTapeHaveTheProductsOfTheirOwnPoints) {
  holds([](const Scene& scene) {
    const auto one = scene.layer->forward(scene.z);
    const auto other = scene.layer->forward(scene.z.rowwise().reverse());
    const Eigen::MatrixXd kept = products(*one, scene);
    const Eigen::MatrixXd taken = products(*other, scene);
    ColumnMask mask(scene.chains);
    for (Index c = 0; c < scene.chains; ++c) mask.set(c, c % 3 == 1);
    one->select(mask, *other);
    const Eigen::MatrixXd found = products(*one, scene);
    Index compared = 0;
    for (Index c = 0; c < scene.chains; ++c, ++compared) {
      const Eigen::MatrixXd& expected = mask[c] ? taken : kept;
      EXPECT_EQ(differing_bits(found.col(c), expected.col(c)), 0) << c;
    }
    EXPECT_EQ(compared, scene.chains);
  });
}

}  // namespace
}  // namespace flotilla::test
