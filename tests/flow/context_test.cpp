// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/context.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

constexpr Index kContext = 3;
const std::vector<double> kPoint = {0.5, -1.25, 2.0};

Tensor random_tensor(std::vector<Index> shape, std::uint64_t seed) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  const Eigen::MatrixXd values = test::NumberStream(seed).matrix(1, count, 1.0);
  return {std::move(shape), {values.data(), values.data() + count}};
}

/// A coupling of two coordinates whose conditioner is one linear map [2 x 1] with a sum and a gate.
FlowRecord conditional(const std::string& activation) {
  FlowRecord record = test::flow_of(2, {test::random_coupling({1, 0}, {{}}, 4)});
  record.context_dim = kContext;
  LayerRecord& layer = record.layers[0];
  layer.arrays["context_weight_0"] = random_tensor({2, kContext}, 5);
  layer.arrays["context_bias_0"] = random_tensor({2}, 6);
  layer.arrays["gate_weight_0"] = random_tensor({2, kContext}, 7);
  layer.arrays["gate_bias_0"] = random_tensor({2}, 8);
  if (!activation.empty()) layer.texts["context_activation_0"] = activation;
  return record;
}

double map_of(const LayerRecord& layer, const std::string& what, Index i) {
  double sum = layer.arrays.at(what + "_bias_0").values[static_cast<std::size_t>(i)];
  for (Index j = 0; j < kContext; ++j) {
    sum += layer.arrays.at(what + "_weight_0").values[static_cast<std::size_t>(i * kContext + j)] *
           kPoint[static_cast<std::size_t>(j)];
  }
  return sum;
}

TEST(Context, IsAddedThroughItsActivationThenGated) {
  const std::vector<std::pair<std::string, std::function<double(double)>>> activations = {
      {"", [](double h) { return h; }},
      {"tanh", [](double h) { return std::tanh(h); }},
      {"relu", [](double h) { return std::max(h, 0.0); }},
      {"softplus", [](double h) { return std::log1p(std::exp(h)); }},
  };
  std::size_t tested = 0;
  for (const auto& [name, activate] : activations) {
    const FlowRecord record = conditional(name);
    const LayerRecord& layer = record.layers[0];
    const Flow<double> flow(at_context(record, kPoint));
    Batch<double> point(2, 1);
    point(0, 0) = 0.75;
    point(1, 0) = -0.5;
    PerChain log_det(1, 1);
    Tape<double> tape(flow.tape_shape(), 1);
    flow.forward(point, log_det, tape);

    std::vector<double> theta;
    for (Index i = 0; i < 2; ++i) {
      const auto place = static_cast<std::size_t>(i);
      const double plain = layer.arrays.at("weight_0").values[place] * 0.75 +
                           layer.arrays.at("bias_0").values[place];
      theta.push_back((plain + activate(map_of(layer, "context", i))) /
                      (1.0 + std::exp(-map_of(layer, "gate", i))));
    }
    EXPECT_NEAR(log_det(0, 0), theta[0], 1e-15);
    EXPECT_NEAR(point(1, 0), -0.5 * std::exp(theta[0]) + theta[1], 1e-15);
    EXPECT_EQ(point(0, 0), 0.75);
    ++tested;
  }
  EXPECT_EQ(tested, activations.size());
}

TEST(Context, LeavesAnUnconditionalFlowAlone) {
  const FlowRecord record = test::rich_flow(4, 1);
  EXPECT_EQ(at_context(record, {}), record);
}

TEST(Context, IsKeptAndSpent) {
  FlowRecord record = conditional("");
  record.checksum = "the file's";
  const FlowRecord fixed = at_context(record, kPoint);
  EXPECT_EQ(fixed.context, kPoint);
  EXPECT_EQ(fixed.context_dim, 0);
  EXPECT_EQ(fixed.checksum, "the file's");
}

std::string refusal(const FlowRecord& record, const std::vector<double>& context) {
  try {
    const Flow<double> flow(at_context(record, context));
    return "no InputError";
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(Context, RefusesWhatDoesNotFit) {
  const auto spoilt = [](const std::function<void(LayerRecord&)>& spoil) {
    FlowRecord record = conditional("");
    spoil(record.layers[0]);
    return refusal(record, kPoint);
  };
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {refusal(conditional(""), {}), {"3 numbers", "given 0", "--context"}},
      {refusal(conditional(""), {1.0, 2.0}), {"3 numbers", "given 2"}},
      {refusal(conditional(""), {1.0, 2.0, std::nan("")}), {"finite", "nan"}},
      {refusal(test::smooth_flow(2, 1), {1.0}), {"takes no context", "1 number"}},
      {refusal(conditional("cosine"), kPoint),
       {"layer 0", "context_activation_0", "cosine", "tanh"}},
      {spoilt([](LayerRecord& r) {
         r.arrays["context_weight_0"].shape = {3, 2};
       }),
       {"layer 0 (affine_coupling)", "context_weight_0", "2 x 3", "3 x 2"}},
      {spoilt([](LayerRecord& r) { r.arrays["gate_bias_0"].values[1] = HUGE_VAL; }),
       {"gate_bias_0", "non-finite"}},
      {spoilt([](LayerRecord& r) { r.arrays.erase("bias_0"); }), {"bias_0", "missing"}},
      {spoilt([](LayerRecord& r) {
         r.arrays["context_weight_1"] = {{1}, {1.0}};
       }),
       {"context_weight_1", "not an entry"}},
      {spoilt([](LayerRecord& r) { r.arrays.erase("context_weight_0"); }),
       {"context_bias_0", "context_weight_0"}},
  };
  std::size_t tested = 0;
  for (const auto& [message, phrases] : cases) {
    for (const std::string& phrase : phrases) {
      EXPECT_NE(message.find(phrase), std::string::npos) << phrase << " in: " << message;
    }
    ++tested;
  }
  EXPECT_EQ(tested, cases.size());
}

TEST(Context, AConditionalFlowCannotBeBuiltWithoutOne) {
  EXPECT_THROW(Flow<double>(conditional("")), InputError);
}

TEST(Context, ShiftsAndStretchesADiagonalNormal) {
  FlowRecord record = conditional("");
  record.base = {"diagonal_normal", {}, {}, {}};
  record.base.arrays["loc"] = {{2}, {0.5, -1.0}};
  record.base.arrays["scale"] = {{2}, {2.0, 0.25}};
  record.base.arrays["context_loc"] = {{2, kContext}, {1.0, 0.0, 0.0, 0.0, 0.0, -2.0}};
  record.base.arrays["context_log_scale"] = {{2, kContext}, {0.0, 1.0, 0.0, 0.5, 0.0, 0.0}};
  const FlowRecord there = at_context(record, kPoint);
  EXPECT_EQ(there.base.arrays.size(), 2U);
  const std::vector<double>& loc = there.base.arrays.at("loc").values;
  const std::vector<double>& scale = there.base.arrays.at("scale").values;
  EXPECT_DOUBLE_EQ(loc.at(0), 0.5 + kPoint[0]);
  EXPECT_DOUBLE_EQ(loc.at(1), -1.0 - 2.0 * kPoint[2]);
  EXPECT_DOUBLE_EQ(scale.at(0), 2.0 * std::exp(kPoint[1]));
  EXPECT_DOUBLE_EQ(scale.at(1), 0.25 * std::exp(0.5 * kPoint[0]));

  int refused = 0;
  for (const char* damaged : {"loc", "scale", "context_loc", "context_log_scale"}) {
    for (const bool missing : {true, false}) {
      FlowRecord other = record;
      if (missing) other.base.arrays.erase(damaged);
      if (!missing) other.base.arrays.at(damaged) = {{3}, {1.0, 1.0, 1.0}};
      EXPECT_THROW(Flow<double>(at_context(other, kPoint)), InputError) << damaged;
      ++refused;
    }
  }
  EXPECT_EQ(refused, 8);
}

}  // namespace
}  // namespace flotilla
