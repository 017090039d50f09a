// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/io/flow_file.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

std::vector<std::string> bundled_flows() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(FLOTILLA_SOURCE_DIR "/apps/flows")) {
    if (entry.path().extension() == ".h5") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

FlowRecord two_moons() {
  return read_flow_file(FLOTILLA_SOURCE_DIR "/apps/flows/two_moons.h5");
}

bool is_glow(const std::string& path) {
  return path.find("glow") != std::string::npos;
}

TEST(Golden, BundledFlowsReproducePyTorchInDouble) {
  const std::vector<std::string> paths = bundled_flows();
  for (const std::string& path : paths) {
    // The Glow's Jacobian has singular values from 0.05 to 3000. They amplify the error of J^-1 (J
    // v).
    const double tolerance = is_glow(path) ? 1e-9 : 1e-10;
    EXPECT_LT(verify_golden<double>(read_flow_file(path)).largest(), tolerance) << path;
  }
  EXPECT_GE(paths.size(), 3U);
}

// Float has roundings of 6e-8. These flows stretch by some thousand between their modes. A product
// with J loses a part of that factor. J^-1 (J v) loses all of it, in directions that J shrinks.
TEST(Golden, BundledFlowsReproducePyTorchInFloat) {
  const std::vector<std::string> paths = bundled_flows();
  for (const std::string& path : paths) {
    const GoldenDeviations found = verify_golden<float>(read_flow_file(path));
    EXPECT_LT(found.x, is_glow(path) ? 1e-3 : 2e-4) << path;
    EXPECT_LT(found.log_det, is_glow(path) ? 1e-3 : 2e-4) << path;
    EXPECT_LT(found.log_det_gradient, is_glow(path) ? 1e-3 : 2e-4) << path;
    EXPECT_LT(found.jvp, is_glow(path) ? 2e-2 : 2e-4) << path;
    EXPECT_LT(found.z_from_x, is_glow(path) ? 5e-2 : 2e-4) << path;
    EXPECT_LT(found.tangent_from_jvp, is_glow(path) ? 2.0 : 4e-3) << path;
  }
  EXPECT_GE(paths.size(), 3U);
}

// Changing the largest entry of any one array by 1e-5 of itself must be noticed: the tolerance of
// `flotilla flow verify` in double is 1e-9.
TEST(Golden, NoticesAPerturbedParameterOfAnyArray) {
  const FlowRecord sound = two_moons();
  int perturbed = 0;
  for (std::size_t k = 0; k < sound.layers.size(); ++k) {
    for (const auto& [name, tensor] : sound.layers[k].arrays) {
      if (name == "mask") continue;
      FlowRecord record = sound;
      std::vector<double>& values = test::array_of(record, k, name).values;
      const auto largest = std::max_element(values.begin(), values.end(), [](double a, double b) {
        return std::abs(a) < std::abs(b);
      });
      *largest *= 1.0 + 1e-5;
      EXPECT_GT(verify_golden<double>(record).largest(), 1e-9) << "layer " << k << ' ' << name;
      ++perturbed;
    }
  }
  EXPECT_GE(perturbed, 8 * 6);
}

TEST(Golden, NamesTheKindOfValueThatDeviates) {
  const FlowRecord sound = two_moons();
  constexpr double kShift = 1e-3;
  const auto deviations = [&](Tensor GoldenValues::*array) {
    FlowRecord record = sound;
    (record.golden.*array).values[5] += kShift;
    return verify_golden<double>(record);
  };
  const GoldenDeviations log_det = deviations(&GoldenValues::log_det);
  EXPECT_GT(log_det.log_det, 1e-5);
  EXPECT_LT(std::max({log_det.x, log_det.log_det_gradient, log_det.jvp, log_det.z_from_x,
                      log_det.tangent_from_jvp}),
            1e-10);
  const GoldenDeviations gradient = deviations(&GoldenValues::log_det_gradient);
  EXPECT_GT(gradient.log_det_gradient, 1e-5);
  EXPECT_LT(std::max({gradient.x, gradient.log_det, gradient.jvp, gradient.z_from_x,
                      gradient.tangent_from_jvp}),
            1e-10);
  const GoldenDeviations jvp = deviations(&GoldenValues::jvp);
  EXPECT_GT(std::min(jvp.jvp, jvp.tangent_from_jvp), 1e-6);
  EXPECT_LT(std::max({jvp.x, jvp.log_det, jvp.log_det_gradient, jvp.z_from_x}), 1e-10);
  const GoldenDeviations tangent = deviations(&GoldenValues::tangent);
  EXPECT_GT(std::min(tangent.jvp, tangent.tangent_from_jvp), 1e-6);
  const GoldenDeviations x = deviations(&GoldenValues::x);
  EXPECT_GT(std::min(x.x, x.z_from_x), 1e-6);
  EXPECT_GT(x.log_det, 1e-6);  // at the point found by the inverse of x
  const GoldenDeviations z = deviations(&GoldenValues::z);
  EXPECT_GT(std::min(z.x, z.z_from_x), 1e-6);
}

TEST(Golden, CountsNaNAsInfinitelyFar) {
  FlowRecord record = two_moons();
  record.golden.x.values[0] = std::nan("");
  EXPECT_TRUE(std::isinf(verify_golden<double>(record).x));
  EXPECT_TRUE(std::isinf(verify_golden<double>(record).largest()));
}

std::string golden_refusal(const FlowRecord& record) {
  try {
    verify_golden<double>(record);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(Golden, SaysSoWhereThereIsNothingToVerifyAgainst) {
  FlowRecord record = two_moons();
  record.golden = {};
  EXPECT_NE(golden_refusal(record).find("no golden values"), std::string::npos);
  record.golden.z = {{0, 2}, {}};
  EXPECT_NE(golden_refusal(record).find("no golden values"), std::string::npos);
}

TEST(Golden, NamesTheArrayOfAnotherShape) {
  struct Named {
    const char* name;
    Tensor GoldenValues::*array;
  };
  int tested = 0;
  for (const Named& named :
       {Named{"'x'", &GoldenValues::x}, Named{"'log_det'", &GoldenValues::log_det},
        Named{"'log_det_gradient'", &GoldenValues::log_det_gradient},
        Named{"'tangent'", &GoldenValues::tangent}, Named{"'jvp'", &GoldenValues::jvp}}) {
    FlowRecord record = two_moons();
    record.golden.*named.array = {{3, 1}, {0, 0, 0}};
    const std::string message = golden_refusal(record);
    EXPECT_NE(message.find(named.name), std::string::npos) << message;
    EXPECT_NE(message.find("3 x 1"), std::string::npos) << message;
    ++tested;
  }
  EXPECT_EQ(tested, 5);
  FlowRecord record = two_moons();
  record.golden.z.shape = {16, 4};
  EXPECT_NE(golden_refusal(record).find("'z'"), std::string::npos);
}

TEST(Golden, NamesTheArrayWhoseValuesAreNotAsManyAsItsShapeSays) {
  FlowRecord record = two_moons();
  record.golden.jvp.values.pop_back();
  EXPECT_NE(golden_refusal(record).find("'jvp'"), std::string::npos);
}

// --- Fresh from PyTorch -------------------------------------------------------------------------

FlowRecord torch_flow(const std::string& name) {
  const std::string path = FLOTILLA_TORCH_FLOWS_DIR "/" + name + ".h5";
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(path + " is missing: ctest makes it, by the test torch_flow." + name);
  }
  return read_flow_file(path);
}

class TorchParity : public testing::TestWithParam<std::string> {};

bool is_deep(const std::string& flow) {
  return flow.ends_with("layers") || flow.ends_with("curves");
}

// Both sides compute in double, but with other sums and other elementary functions. That is a few
// hundred roundings of 1e-16, some of them amplified by slopes of about ten.
TEST_P(TorchParity, InDouble) {
  // The flows of every type have thirty layers, eight times as many as the others.
  const double tolerance = is_deep(GetParam()) ? 1e-12 : 1e-13;
  EXPECT_LT(verify_golden<double>(torch_flow(GetParam())).largest(), tolerance);
}

// The same roundings, now of 6e-8. The flow of every type is four times as deep, and the gradient
// of its log det contains second derivatives of splines.
TEST_P(TorchParity, InFloat) {
  const double tolerance = is_deep(GetParam()) ? 1e-4 : 2e-5;
  EXPECT_LT(verify_golden<float>(torch_flow(GetParam())).largest(), tolerance);
}

INSTANTIATE_TEST_SUITE_P(, TorchParity,
                         testing::Values("tanh", "relu", "leaky_relu", "silu", "elu", "gelu",
                                         "layers", "curves", "diagonal_normal", "gaussian_mixture",
                                         "uniform_box", "circular_normal", "conditional_layers",
                                         "conditional_curves", "glow", "conditional_glow"),
                         [](const auto& tested) { return tested.param; });

TEST(TorchParityBases, AreAllThere) {
  std::size_t found = 0;
  for (const std::string_view type : base_types()) {
    const FlowRecord flow = torch_flow(type == "standard_normal" ? "tanh" : std::string(type));
    EXPECT_EQ(flow.base.type, type);
    EXPECT_FALSE(flow.golden.base_log_density.values.empty());
    ++found;
  }
  EXPECT_EQ(found, base_types().size());
}

// A base density that is slightly wrong must be noticed.
TEST(TorchParityBases, APerturbedBaseIsNoticed) {
  int perturbed = 0;
  for (const char* name : {"diagonal_normal", "gaussian_mixture"}) {
    const FlowRecord sound = torch_flow(name);
    for (const auto& [array, tensor] : sound.base.arrays) {
      FlowRecord other = sound;
      other.base.arrays.at(array).values[0] *= 1.0 + 1e-5;
      EXPECT_GT(verify_golden<double>(other).largest(), 1e-8) << name << " " << array;
      ++perturbed;
    }
  }
  EXPECT_EQ(perturbed, 5);
}

TEST(TorchParityExtras, HaveEveryLayerType) {
  const std::array extras = {torch_flow("layers"), torch_flow("curves")};
  std::size_t found = 0;
  for (const std::string_view type : layer_types()) {
    const auto has_it = [type](const FlowRecord& flow) {
      return std::any_of(flow.layers.begin(), flow.layers.end(),
                         [type](const LayerRecord& layer) { return layer.type == type; });
    };
    found += std::any_of(extras.begin(), extras.end(), has_it) ? 1U : 0U;
  }
  EXPECT_EQ(found, layer_types().size());
}

}  // namespace
}  // namespace flotilla
