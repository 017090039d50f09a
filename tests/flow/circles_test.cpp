// SPDX-License-Identifier: BSD-3-Clause
#include "flow/circles.hpp"

#include <gtest/gtest.h>

#include "flotilla/flow/flow.hpp"

namespace flotilla {
namespace {

/// Three coordinates, of which the first and the last are on [-2, 2).
FlowRecord on_circles(std::vector<LayerRecord> layers) {
  FlowRecord record;
  record.dim = 3;
  record.base = {"circular_normal",
                 {},
                 {},
                 {{"circular", {{3}, {1.0, 0.0, 1.0}}},
                  {"loc", {{3}, {0.0, 0.0, 0.0}}},
                  {"scale", {{3}, {4.0, 1.0, 4.0}}}}};
  record.layers = std::move(layers);
  return record;
}

const Circle kLine = {};
const Circle kCircle = {-2.0, 4.0};

LayerRecord permutation(const std::string& direction) {
  return {"permutation", {{"direction", direction}}, {}, {{"indices", {{3}, {2.0, 0.0, 1.0}}}}};
}

LayerRecord affine(const std::string& direction) {
  return {"diagonal_affine",
          {{"direction", direction}},
          {},
          {{"scale", {{3}, {-0.5, 1.0, 2.0}}}, {"shift", {{3}, {1.0, 0.0, 0.0}}}}};
}

LayerRecord turn(double bound) {
  return {"wrap",
          {},
          {},
          {{"circular", {{3}, {1.0, 0.0, 0.0}}},
           {"bound", {{3}, {bound, 1.0, 1.0}}},
           {"shift", {{3}, {0.3, 0.0, 0.0}}}}};
}

/// One whose only moved coordinate is the first.
LayerRecord coupling(const std::string& type, std::map<std::string, double> numbers,
                     Index outputs) {
  const auto size = static_cast<std::size_t>(outputs);
  return {type,
          {{"network", "linear"}, {"tails", "free"}},
          std::move(numbers),
          {{"mask", {{3}, {0.0, 1.0, 1.0}}},
           {"weight_0", {{outputs, 2}, std::vector<double>(2 * size, 0.1)}},
           {"bias_0", {{outputs}, std::vector<double>(size, 0.0)}}}};
}

LayerRecord spline(double bound) {
  return coupling("spline_coupling", {{"bins", 3.0}, {"bound", bound}}, 10);
}

TEST(Circles, OfZAreThoseOfTheBaseDensity) {
  EXPECT_EQ(latent_circles(on_circles({})), (std::vector{kCircle, kLine, kCircle}));
  FlowRecord normal = on_circles({});
  normal.base = {"standard_normal", {}, {}, {}};
  EXPECT_EQ(data_circles(normal), std::vector<Circle>(3));
}

TEST(Circles, GoWithTheirCoordinates) {
  EXPECT_EQ(data_circles(on_circles({permutation("forward")})),
            (std::vector{kCircle, kCircle, kLine}));
  EXPECT_EQ(data_circles(on_circles({permutation("forward"), permutation("inverse")})),
            latent_circles(on_circles({})));
}

TEST(Circles, AreStretched) {
  const std::vector<Circle> found = data_circles(on_circles({affine("forward")}));
  EXPECT_EQ(found, (std::vector<Circle>{{0.0, 2.0}, {}, {-4.0, 8.0}}));
  EXPECT_EQ(data_circles(on_circles({affine("forward"), affine("inverse")})),
            latent_circles(on_circles({})));
}

TEST(Circles, AreKeptByLayersOfTheirEnds) {
  EXPECT_EQ(data_circles(on_circles({turn(2.0), spline(2.0)})),
            (std::vector{kCircle, kLine, kCircle}));
}

TEST(Circles, AreLostByOtherLayers) {
  const std::vector<Circle> without_first = {kLine, kLine, kCircle};
  EXPECT_EQ(data_circles(on_circles({turn(1.5)})), without_first);
  EXPECT_EQ(data_circles(on_circles({spline(2.5)})), without_first);
  EXPECT_EQ(data_circles(on_circles({coupling("affine_coupling", {}, 2)})), without_first);
  const LayerRecord bend = {"leaky_relu", {}, {{"slope", 0.5}}, {}};
  EXPECT_EQ(data_circles(on_circles({bend})), std::vector<Circle>(3));
}

/// A claim about the map itself: both ends of a circle of z are one point of the circles of x.
TEST(Circles, TakeBothEndsToOnePoint) {
  const FlowRecord record =
      on_circles({permutation("forward"), affine("forward"), affine("inverse"),
                  permutation("inverse"), turn(2.0), spline(2.0), affine("forward")});
  const Flow<double> flow(record);
  const std::vector<Circle> circles = data_circles(record);
  Batch<double> point(3, 2);
  for (Index c = 0; c < 2; ++c) {
    point(0, c) = c == 0 ? -2.0 : 2.0 - 1e-12;
    point(1, c) = 0.4;
    point(2, c) = 0.7;
  }
  Tape<double> tape(flow.tape_shape(), 2);
  PerChain log_det(1, 2);
  log_det.fill(0.0);
  flow.forward(point, log_det, tape);
  for (Index i = 0; i < 3; ++i) {
    const Circle& circle = circles[static_cast<std::size_t>(i)];
    EXPECT_NEAR(circle.gap(point(i, 0), point(i, 1)), 0.0, 1e-9) << "coordinate " << i;
  }
  EXPECT_FALSE(circles[0].is_line());
}

}  // namespace
}  // namespace flotilla
