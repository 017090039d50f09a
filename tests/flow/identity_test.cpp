// SPDX-License-Identifier: BSD-3-Clause
#include "flow/identity.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "flotilla/core/error.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/golden.hpp"

namespace flotilla {
namespace {

TEST(IdentityFlow, ReproducesItsClosedFormsInBothPrecisions) {
  const FlowRecord flows[] = {identity_flow(1, {}, {}), identity_flow(5, {}, {}),
                              identity_flow(3, {10.0, -2.0, 0.0}, {0.1, 3.0, 40.0}),
                              identity_flow(2, {}, {0.5, 2.0}), identity_flow(2, {7.0, 8.0}, {})};
  for (const FlowRecord& flow : flows) {
    EXPECT_LT(verify_golden<double>(flow).largest(), 1e-12);
    EXPECT_LT(verify_golden<float>(flow).largest(), kFloatTolerance);
  }
}

TEST(IdentityFlow, WithoutLocAndScaleHasNoLayers) {
  EXPECT_TRUE(identity_flow(4, {}, {}).layers.empty());
  EXPECT_EQ(identity_flow(4, {1, 2, 3, 4}, {}).layers.size(), 1U);
}

// A flow without layers is a map like any other: x = z, and both products are the identity.
TEST(IdentityFlow, WithoutLayersLeavesPointsAndProductsAlone) {
  const Flow<double> flow(identity_flow(3, {}, {}));
  Tape<double> tape(flow.tape_shape(), 8);
  Batch<double> point(3, 8);
  Random(5).normals(Purpose::kStart, 0, 0, point);
  const Batch<double> given = point;
  PerChain log_det(1, 8);
  flow.forward(point, log_det, tape);
  flow.inverse(point, log_det, tape);
  Batch<double> v = given;
  Batch<double> one(1, 8);
  one.fill(1.0);
  flow.jvp(tape, v);
  flow.inverse_jvp(tape, v);
  flow.vjp(tape, v, one);
  flow.inverse_vjp(tape, v, one);
  for (Index c = 0; c < 8; ++c) {
    EXPECT_EQ(log_det(0, c), 0.0);
    for (Index i = 0; i < 3; ++i) {
      EXPECT_EQ(point(i, c), given(i, c));
      EXPECT_EQ(v(i, c), given(i, c));
    }
  }
}

TEST(IdentityFlow, RefusesNumbersThatAreNoMap) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(identity_flow(2, {1.0}, {}), InputError);
  EXPECT_THROW(identity_flow(2, {}, {1.0, 0.0}), InputError);
  EXPECT_THROW(identity_flow(2, {}, {1.0, -1.0}), InputError);
  EXPECT_THROW(identity_flow(2, {0.0, infinity}, {}), InputError);
}

}  // namespace
}  // namespace flotilla
