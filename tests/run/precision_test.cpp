// SPDX-License-Identifier: BSD-3-Clause
#include "run/precision.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "flotilla/io/flow_file.hpp"
#include "support/normal_density.hpp"
#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

bool float_holds(const FlowRecord& record, Index width = 64) {
  const FloatLoss loss = measure_float_loss(record, width);
  return loss.shift <= kMostShift && loss.log_det <= kMostLogDet;
}

/// What float loses of a normal density of this width.
double log_density_loss(const FlowRecord& record, double width) {
  const NormalDensity density(0.0, width);
  return measure_float_loss(record, 64, &density).log_density;
}

FlowRecord moved(double scale, double shift) {
  FlowRecord record = random_real_nvp(3, 4, {.widths = {16}, .activation = "tanh"}, 21);
  record.layers.push_back(constant_diagonal_affine(3, scale, shift));
  return record;
}

TEST(Precision, IsFloatForEveryFlowThatShipsWithRoomToSpare) {
  int flows = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(FLOTILLA_SOURCE_DIR) + "/apps/flows")) {
    if (entry.path().extension() != ".h5") continue;
    const FloatLoss loss = measure_float_loss(read_flow_file(entry.path()), 64);
    EXPECT_LT(100.0 * loss.shift, kMostShift) << entry.path();
    EXPECT_LT(100.0 * loss.log_det, kMostLogDet) << entry.path();
    EXPECT_GT(loss.shift, 0.0) << entry.path();
    ++flows;
  }
  EXPECT_EQ(flows, 4);
}

// Numbers near 3e5 are 1/32 apart in float.
TEST(Precision, IsDoubleWhereFloatNumbersAreTooFarApart) {
  int tried = 0;
  for (const Index width : {32, 64, 256}) {
    EXPECT_TRUE(float_holds(moved(1.0, 0.0), width));
    EXPECT_TRUE(float_holds(moved(1e-30, 0.0), width));
    EXPECT_TRUE(float_holds(moved(0.01, 3.0), width));
    EXPECT_TRUE(float_holds(moved(1e5, 3e5), width));
    EXPECT_FALSE(float_holds(moved(0.01, 3e5), width));
    EXPECT_FALSE(float_holds(moved(1e-6, 1.0), width));
    EXPECT_FALSE(float_holds(moved(1e39, 0.0), width)) << "it overflows";
    tried += 7;
  }
  EXPECT_EQ(tried, 21);
}

// A density may be so much narrower than the flow that the spacing of x shows in it.
TEST(Precision, IsDoubleWhereADensityIsTooNarrowForFloat) {
  const FlowRecord record = moved(1.0, 0.0);
  const double wide = log_density_loss(record, 1.0);
  const double narrow = log_density_loss(record, 1e-7);
  EXPECT_GT(wide, 0.0);
  EXPECT_LT(wide, 1e-3 * kMostLogDet);
  EXPECT_GT(narrow, kMostLogDet);
}

// The loss is that of the numbers' spacing: half of it at most, and not a hundredth.
TEST(Precision, MeasuresTheSpacingOfFloatNumbersInSpreadsOfZ) {
  FlowRecord record;
  record.dim = 2;
  record.layers = {constant_diagonal_affine(2, 2.0, 100000.0)};
  const double spacing = 0x1p-7 / 2.0;
  const double shift = measure_float_loss(record, 256).shift;
  EXPECT_LT(shift, 0.6 * spacing);
  EXPECT_GT(shift, 0.3 * spacing);
}

TEST(Precision, SeesABaseDensityThatFloatCannotHold) {
  FlowRecord record = moved(1.0, 0.0);
  const auto base = [](double loc, double scale) {
    return LayerRecord{"diagonal_normal",
                       {},
                       {},
                       {{"loc", {{3}, {loc, loc, loc}}}, {"scale", {{3}, {scale, scale, scale}}}}};
  };
  record.layers.clear();
  record.base = base(3e5, 0.0086);
  EXPECT_FALSE(float_holds(record));
  record.base = base(3.0, 0.0086);
  EXPECT_TRUE(float_holds(record));
}

}  // namespace
}  // namespace flotilla::test
