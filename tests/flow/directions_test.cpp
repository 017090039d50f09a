// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "flotilla/flow/flow.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

// Tests what layers say of their directions: passes, methods, tolerances.

namespace flotilla::test {
namespace {

constexpr Index kDim = 5;

/// Every coordinate moved by the same sum of squares.
LayerRecord sum_of_squares_of_constants() {
  const auto maps = curve_maps("coupling");
  const auto found = std::find_if(maps.begin(), maps.end(), [](const auto& candidate) {
    return candidate.first.type == "sum_of_squares_coupling";
  });
  const auto& [map, parameters] = *found;
  LayerRecord layer = random_coupling_of(map, {0, 0, 0, 0, 0}, {"linear", {}, 0.0}, parameters, 5);
  layer.numbers["bound"] = 1e4;
  return layer;
}

bool is_sound(const Direction& direction) {
  if (direction.closed_form()) return direction.steps == 0 && direction.tolerance == 0.0;
  // A promise names the most steps that it may take.
  return direction.tolerance == 0.0 || (direction.tolerance < 1e-3 && direction.steps > 0);
}

TEST(Directions, OfEveryLayerAreSound) {
  const Flow<double> flow(rich_flow(kDim, 1));
  std::size_t solved = 0;
  for (std::size_t k = 0; k < flow.depth(); ++k) {
    const Directions of = flow.layer(k).directions();
    for (const Direction& direction : {of.forward, of.inverse, of.products, of.inverse_products}) {
      EXPECT_TRUE(is_sound(direction)) << flow.layer(k).type();
      EXPECT_GE(direction.passes, 1);
      solved += direction.closed_form() ? 0U : 1U;
    }
  }
  EXPECT_GE(solved, 3U);  // the inverses of a planar, a Sylvester and a residual layer
}

TEST(Directions, OfAnAutoregressiveLayerAreExchangedWhenItIsInverted) {
  const FlowRecord record = rich_flow(kDim, 1);
  const Flow<double> flow(record);
  std::map<std::string, int> seen;
  for (std::size_t k = 0; k < flow.depth(); ++k) {
    if (!record.layers[k].type.ends_with("_autoregressive")) continue;
    const auto direction = record.layers[k].texts.find("direction");
    const bool inverted =
        direction != record.layers[k].texts.end() && direction->second == "inverse";
    const Directions of = flow.layer(k).directions();
    const Direction& sequential = inverted ? of.forward : of.inverse;
    const Direction& at_once = inverted ? of.inverse : of.forward;
    EXPECT_EQ(sequential.passes, kDim);
    EXPECT_EQ(at_once.passes, 1);
    EXPECT_EQ((inverted ? of.products : of.inverse_products).passes, kDim);
    ++seen[inverted ? "inverted" : "plain"];
  }
  EXPECT_GT(seen["inverted"], 0);
  EXPECT_GT(seen["plain"], 0);
}

// The promise of a solved inverse, at points where the unknown is up to 1000 in size.
TEST(Directions, APromisedToleranceIsKept) {
  for (const LayerRecord& record :
       {random_planar(kDim, "tanh", 0.75, 3), random_sylvester(kDim, 2, 0.5, 4),
        sum_of_squares_of_constants()}) {
    const auto layer = make_layer<double>(record, 0, kDim);
    const Direction inverse = layer->directions().inverse;
    ASSERT_FALSE(inverse.closed_form());
    for (const double size : {1.0, 30.0, 1000.0}) {
      Batch<double> z(kDim, 16);
      for (Index i = 0; i < kDim; ++i) {
        for (Index c = 0; c < 16; ++c)
          z(i, c) = size * std::sin(static_cast<double>(1 + i + kDim * c));
      }
      Batch<double> point = z;
      Tape<double> tape(layer->tape_shape(), 16);
      PerChain log_det(1, 16);
      layer->forward(point, log_det, tape);
      layer->inverse(point, log_det, tape);
      // Coordinates are sums of the unknowns, whose slopes are at most 4, and of rounding.
      const double allowed = 16.0 * kDim * inverse.tolerance * (size + 1.0);
      for (Index i = 0; i < kDim; ++i) {
        for (Index c = 0; c < 16; ++c) EXPECT_NEAR(point(i, c), z(i, c), allowed);
      }
    }
  }
}

}  // namespace
}  // namespace flotilla::test
