// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/network.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <ostream>

#include "flotilla/core/error.hpp"
#include "support/batches.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

/// An activation and its derivative, as in a textbook.
struct Curve {
  std::function<double(double)> value;
  std::function<double(double)> slope;
};

double logistic(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

Curve curve(const std::string& name) {
  if (name == "tanh") {
    return {[](double x) { return std::tanh(x); },
            [](double x) { return 1.0 / (std::cosh(x) * std::cosh(x)); }};
  }
  if (name == "relu") {
    return {[](double x) { return std::max(x, 0.0); },
            [](double x) { return x > 0.0 ? 1.0 : 0.0; }};
  }
  if (name == "leaky_relu") {
    return {[](double x) { return x > 0.0 ? x : 0.125 * x; },
            [](double x) { return x > 0.0 ? 1.0 : 0.125; }};
  }
  if (name == "silu") {
    return {[](double x) { return x * logistic(x); },
            [](double x) { return logistic(x) * (1.0 + x * logistic(-x)); }};
  }
  if (name == "gelu") {
    return {[](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); },
            [](double x) {
              return 0.5 * std::erfc(-x / std::sqrt(2.0)) +
                     x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::acos(-1.0));
            }};
  }
  return {[](double x) { return x > 0.0 ? x : 0.75 * std::expm1(x); },  // elu
          [](double x) { return x > 0.0 ? 1.0 : 0.75 * std::exp(x); }};
}

Eigen::MatrixXd to_dense(const Tensor& tensor) {
  Eigen::MatrixXd matrix(tensor.shape[0], tensor.shape[1]);
  for (Index i = 0; i < matrix.rows(); ++i) {
    for (Index k = 0; k < matrix.cols(); ++k) {
      matrix(i, k) = tensor.values[static_cast<std::size_t>(i * matrix.cols() + k)];
    }
  }
  return matrix;
}

/// The same perceptron with dense Eigen matrices, for one point at a time.
struct DenseNetwork {
  explicit DenseNetwork(const LayerRecord& layer)
      : activation(curve(layer.texts.at("activation"))) {
    for (int k = 0; layer.arrays.contains("weight_" + std::to_string(k)); ++k) {
      weights.push_back(to_dense(layer.arrays.at("weight_" + std::to_string(k))));
      const Tensor& bias = layer.arrays.at("bias_" + std::to_string(k));
      biases.push_back(Eigen::Map<const Eigen::VectorXd>(bias.values.data(), bias.shape[0]));
    }
  }

  /// The image of a point and the Jacobian at it.
  std::pair<Eigen::VectorXd, Eigen::MatrixXd> at(const Eigen::VectorXd& in) const {
    Eigen::VectorXd h = in;
    Eigen::MatrixXd jacobian = Eigen::MatrixXd::Identity(in.size(), in.size());
    for (std::size_t k = 0; k < weights.size(); ++k) {
      h = (weights[k] * h + biases[k]).eval();
      jacobian = (weights[k] * jacobian).eval();
      if (k + 1 == weights.size()) break;
      for (Index i = 0; i < h.size(); ++i) {
        jacobian.row(i) *= activation.slope(h(i));
        h(i) = activation.value(h(i));
      }
    }
    return {h, jacobian};
  }

  Curve activation;
  std::vector<Eigen::MatrixXd> weights;
  std::vector<Eigen::VectorXd> biases;
};

struct Shape {
  std::string name;
  Index inputs;
  std::vector<Index> widths;
  Index outputs;  // even: it has to fit the record of a coupling
  std::string activation;
};

void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.name;
}

/// Every activation; every remainder of rows modulo the product's panel; zero to three hidden
/// layers.
std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const char* activation : {"tanh", "relu", "leaky_relu", "silu", "elu", "gelu"}) {
    all.push_back({std::string(activation), 3, {13, 8}, 4, activation});
  }
  all.push_back({"linear", 4, {}, 6, "tanh"});
  all.push_back({"one_unit", 1, {1}, 2, "silu"});
  all.push_back({"panels_6_7_11", 5, {6, 7, 11}, 10, "tanh"});
  all.push_back({"wide", 9, {64, 33}, 14, "elu"});
  // Sums longer than the product takes at a time: by one, and several times over.
  all.push_back({"deep_sums", 3, {128, 129, 300}, 4, "tanh"});
  return all;
}

class NetworkShapes : public testing::TestWithParam<Shape> {
 protected:
  /// A coupling that has this network as its conditioner: its record holds the arrays.
  static LayerRecord record() {
    const Shape& shape = GetParam();
    std::vector<int> mask(static_cast<std::size_t>(shape.inputs), 1);
    mask.resize(mask.size() + static_cast<std::size_t>(shape.outputs / 2), 0);
    return test::random_coupling(mask, {shape.widths, shape.activation, 1.0}, 42);
  }

  /// Values and products agree with the dense network to `tolerance`.
  template <typename T>
  void expect_dense(double tolerance) const {
    const Shape& shape = GetParam();
    const LayerRecord layer = record();
    const LayerReader reader(layer, "layer 0", shape.inputs + shape.outputs / 2);
    const Network<T> network(reader, Wiring::plain(shape.inputs, shape.outputs));
    const DenseNetwork dense(layer);
    int widths = 0;
    for (const Index chains : {1, 3, 17, 64}) {
      test::NumberStream numbers(static_cast<std::uint64_t>(chains));
      const Eigen::MatrixXd in = numbers.matrix(shape.inputs, chains, 2.0);
      const Eigen::MatrixXd direction = numbers.matrix(shape.inputs, chains, 1.0);
      const Eigen::MatrixXd out_bar = numbers.matrix(shape.outputs, chains, 1.0);

      Tape<T> tape({network.recorded(), network.scratch(), {}}, chains);
      Batch<T> out(shape.outputs, chains);
      Batch<T> tangent(shape.outputs, chains);
      Batch<T> in_bar(shape.inputs, chains);
      network.forward(test::to_batch<T>(in), out, tape, 0);
      network.tangent(tape, 0, test::to_batch<T>(direction), tangent);
      Batch<T> bar = test::to_batch<T>(out_bar);
      network.reverse(tape, 0, bar, in_bar);

      Eigen::MatrixXd expected_out(shape.outputs, chains);
      Eigen::MatrixXd expected_tangent(shape.outputs, chains);
      Eigen::MatrixXd expected_in_bar(shape.inputs, chains);
      for (Index c = 0; c < chains; ++c) {
        const auto [value, jacobian] = dense.at(in.col(c));
        expected_out.col(c) = value;
        expected_tangent.col(c) = jacobian * direction.col(c);
        expected_in_bar.col(c) = jacobian.transpose() * out_bar.col(c);
      }
      EXPECT_LE(test::largest_deviation(test::to_matrix(out), expected_out), tolerance);
      EXPECT_LE(test::largest_deviation(test::to_matrix(tangent), expected_tangent), tolerance);
      EXPECT_LE(test::largest_deviation(test::to_matrix(in_bar), expected_in_bar), tolerance);
      ++widths;
    }
    EXPECT_EQ(widths, 4);
  }
};

// Sums of up to 300 terms, four layers deep. Rounding errors have either sign, so some 64 of them
// add up.
TEST_P(NetworkShapes, IsTheDenseNetworkInDouble) {
  expect_dense<double>(64 * std::numeric_limits<double>::epsilon());
}

TEST_P(NetworkShapes, IsTheDenseNetworkInFloat) {
  expect_dense<float>(64 * static_cast<double>(std::numeric_limits<float>::epsilon()));
}

TEST_P(NetworkShapes, CountsAMultiplyAddForEachWeight) {
  const Shape& shape = GetParam();
  const LayerRecord layer = record();
  const LayerReader reader(layer, "layer 0", shape.inputs + shape.outputs / 2);
  const Network<double> network(reader, Wiring::plain(shape.inputs, shape.outputs));
  std::size_t weights = 0;
  std::size_t biases = 0;
  for (const auto& [name, tensor] : layer.arrays) {
    if (name.starts_with("weight_")) weights += tensor.values.size();
    if (name.starts_with("bias_")) biases += 1;
  }
  EXPECT_EQ(network.multiply_adds(), static_cast<Index>(weights));
  EXPECT_EQ(network.recorded(), shape.widths);
  EXPECT_EQ(biases, shape.widths.size() + 1);
}

INSTANTIATE_TEST_SUITE_P(, NetworkShapes, testing::ValuesIn(shapes()),
                         [](const auto& tested) { return tested.param.name; });

/// The value of an activation: one input of weight one, one hidden unit, two equal outputs.
template <typename T>
double activated(const std::string& activation, double x) {
  LayerRecord layer{"affine_coupling", {{"activation", activation}}, {}, {}};
  layer.arrays["weight_0"] = {{1, 1}, {1.0}};
  layer.arrays["bias_0"] = {{1}, {0.0}};
  layer.arrays["weight_1"] = {{2, 1}, {1.0, 1.0}};
  layer.arrays["bias_1"] = {{2}, {0.0, 0.0}};
  const LayerReader reader(layer, "layer 0", 2);
  const Network<T> network(reader, Wiring::plain(1, 2));
  Tape<T> tape({network.recorded(), network.scratch(), {}}, 1);
  Batch<T> in(1, 1);
  in(0, 0) = static_cast<T>(x);
  Batch<T> out(2, 1);
  network.forward(in, out, tape, 0);
  EXPECT_EQ(out(0, 0) == out(0, 0), out(1, 0) == out(1, 0));
  return static_cast<double>(out(0, 0));
}

TEST(Network, ActivationsHaveTheDefaultParametersOfPyTorch) {
  EXPECT_DOUBLE_EQ(activated<double>("leaky_relu", -2.0), -0.02);
  EXPECT_DOUBLE_EQ(activated<double>("elu", -2.0), std::expm1(-2.0));
}

TEST(Network, ActivationsStayFiniteWhereTheFunctionDoes) {
  int tested = 0;
  for (const char* name : {"tanh", "relu", "leaky_relu", "silu", "elu", "gelu"}) {
    for (const double x : {-1e30, -1000.0, -100.0, 100.0, 1000.0, 1e30}) {
      const double expected = std::string(name) == "leaky_relu" && x < 0 ? 0.01 * x
                              : std::string(name) == "elu" && x < 0      ? -1.0
                              : std::string(name) == "tanh"              ? (x < 0 ? -1.0 : 1.0)
                                                                         : std::max(x, 0.0);
      const double scale = std::max(1.0, std::abs(expected));
      EXPECT_LE(std::abs(activated<double>(name, x) - expected) / scale, 1e-15) << name << ' ' << x;
      EXPECT_LE(std::abs(activated<float>(name, x) - expected) / scale, 1e-6) << name << ' ' << x;
      ++tested;
    }
  }
  EXPECT_EQ(tested, 36);
}

TEST(Network, ActivationsPassNaNOn) {
  int tested = 0;
  for (const char* name : {"tanh", "relu", "leaky_relu", "silu", "elu", "gelu"}) {
    EXPECT_TRUE(std::isnan(activated<double>(name, std::nan("")))) << name;
    EXPECT_TRUE(std::isnan(activated<float>(name, std::nan("")))) << name;
    ++tested;
  }
  EXPECT_EQ(tested, 6);
}

}  // namespace
}  // namespace flotilla
