// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "flotilla/core/error.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/test_flows.hpp"

namespace flotilla {
namespace {

/// The message if a flow cannot be built from the record. It must be the same in float and in
/// double.
std::string refusal(const FlowRecord& record) {
  std::string message = "no InputError";
  try {
    const Flow<double> flow(record);
  } catch (const InputError& error) {
    message = error.what();
  }
  try {
    const Flow<float> flow(record);
    EXPECT_EQ(message, "no InputError");
  } catch (const InputError& error) {
    EXPECT_EQ(message, error.what());
  }
  return message;
}

void expect_phrases(const std::string& message, const std::vector<std::string>& phrases) {
  std::size_t found = 0;
  for (const std::string& phrase : phrases) {
    EXPECT_NE(message.find(phrase), std::string::npos) << phrase << " in: " << message;
    ++found;
  }
  EXPECT_EQ(found, phrases.size());
  EXPECT_GT(found, 0U);
}

/// permutation, coupling [1 0 0 1 0] with hidden layers 8 and 7, diagonal_affine, permutation
FlowRecord sound() {
  return test::flow_of(
      5, {test::random_permutation(5, 1), test::random_coupling({1, 0, 0, 1, 0}, {{8, 7}}, 2),
          test::random_diagonal_affine(5, 3), test::random_permutation(5, 4)});
}

TEST(LayerRecord, CountsParametersWithoutMasksAndPermutations) {
  LayerRecord layer{"affine_coupling", {}, {}, {}};
  layer.arrays["weight_0"] = {{3, 2}, std::vector<double>(6, 1.0)};
  layer.arrays["bias_0"] = {{3}, std::vector<double>(3, 1.0)};
  EXPECT_EQ(layer.parameters(), 9U);
  for (const char* wiring : {"mask", "order", "indices", "image"}) {
    layer.arrays[wiring] = {{5}, std::vector<double>(5, 1.0)};
    EXPECT_EQ(layer.parameters(), 9U) << wiring;
  }
}

TEST(Flow, IsBuiltFromASoundRecord) {
  EXPECT_EQ(refusal(sound()), "no InputError");
  const Flow<double> flow(sound());
  EXPECT_EQ(flow.dim(), 5);
  EXPECT_EQ(flow.depth(), 4U);
  EXPECT_EQ(flow.type(), "flow");
  EXPECT_EQ(flow.layer(1).type(), "affine_coupling");
  EXPECT_EQ(flow.multiply_adds(), 2 * 8 + 8 * 7 + 7 * 6);
}

TEST(Flow, IsTheCompositionOfItsLayers) {
  const FlowRecord record = test::rich_flow(5, 2);
  const Flow<double> flow(record);
  const Eigen::MatrixXd z = test::NumberStream(5).matrix(5, 33, 1.5);
  Eigen::MatrixXd point = z;
  Eigen::RowVectorXd log_det = Eigen::RowVectorXd::Zero(33);
  std::size_t walked = 0;
  for (const LayerRecord& layer : record.layers) {
    const test::Images after = test::images(*make_layer<double>(layer, walked, 5), point);
    point = after.x;
    log_det += after.log_det;
    ++walked;
  }
  EXPECT_EQ(walked, flow.depth());
  const test::Images found = test::images(flow, z);
  EXPECT_EQ(test::differing_bits(found.x, point), 0);
  EXPECT_LE(test::largest_deviation(found.log_det, log_det), 1e-14);
}

TEST(Flow, NamesAnUnknownLayerTypeAndTheKnownOnes) {
  FlowRecord record = sound();
  record.layers[2].type = "spiral";
  expect_phrases(refusal(record), {"layer 2 (spiral)", "unknown", "affine_coupling",
                                   "diagonal_affine", "logit", "permutation", "sigmoid"});
}

TEST(Flow, NamesTheArrayThatDoesNotFitItsShapeAndTheOneItShouldHave) {
  FlowRecord record = sound();
  test::array_of(record, 1, "weight_1") = {{7, 9}, std::vector<double>(63, 0.0)};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "weight_1", "7 x 8", "7 x 9"});

  record = sound();
  test::array_of(record, 1, "bias_0") = {{9}, std::vector<double>(9, 0.0)};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "bias_0", "[8]", "[9]"});

  record = sound();
  test::array_of(record, 1, "weight_0") = {{16}, std::vector<double>(16, 0.0)};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "weight_0", "[16]"});

  record = sound();
  test::array_of(record, 1, "weight_2") = {{5, 7}, std::vector<double>(35, 0.0)};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "weight_2", "6 x 7", "5 x 7"});

  record = sound();
  test::array_of(record, 1, "mask") = {{4}, {1, 0, 0, 1}};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "mask", "[5]", "[4]"});

  record = sound();
  test::array_of(record, 2, "shift") = {{4}, {0, 0, 0, 0}};
  expect_phrases(refusal(record), {"layer 2 (diagonal_affine)", "shift", "[5]", "[4]"});

  record = sound();
  test::array_of(record, 0, "indices") = {{5, 1}, {0, 1, 2, 3, 4}};
  expect_phrases(refusal(record), {"layer 0 (permutation)", "indices", "[5]", "5 x 1"});
}

TEST(Flow, NamesTheScalarThatShouldBeAnArray) {
  FlowRecord record = sound();
  test::array_of(record, 1, "weight_0") = {{}, {1.0}};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "weight_0"});
}

TEST(Flow, NamesTheArrayAndElementThatIsNotFinite) {
  int tested = 0;
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    FlowRecord record = sound();
    test::array_of(record, 1, "weight_1").values[13] = bad;
    expect_phrases(refusal(record),
                   {"layer 1 (affine_coupling)", "weight_1", "non-finite", "element 13"});
    record = sound();
    test::array_of(record, 2, "scale").values[3] = bad;
    expect_phrases(refusal(record),
                   {"layer 2 (diagonal_affine)", "scale", "non-finite", "element 3"});
    record = sound();
    test::array_of(record, 3, "indices").values[0] = bad;
    expect_phrases(refusal(record), {"layer 3 (permutation)", "indices", "element 0"});
    ++tested;
  }
  EXPECT_EQ(tested, 3);
}

/// A flow of one layer in five dimensions.
FlowRecord alone(LayerRecord layer) {
  return test::flow_of(5, {std::move(layer)});
}

LayerRecord masked_layer(const std::string& network = "linear tanh linear tanh linear") {
  return test::random_autoregressive_of({"affine_autoregressive", {}, {}, {}}, 5,
                                        {network, {10, 10}, 0.5}, 2, 3);
}

/// A flow of one convolutional coupling on an image of 2 x 3 x 3.
FlowRecord on_image() {
  std::vector<int> mask(18, 0);
  std::fill_n(mask.begin(), 9, 1);
  return test::flow_of(18, {test::random_convolutional_coupling_of(
                               {"affine_coupling", {}, {}, {}}, {2, 3, 3}, mask,
                               {"linear silu linear", {4}, 0.5}, {{3, 3}, {1, 1}}, 2, 9)});
}

TEST(Flow, NamesWhatDoesNotFitAnImage) {
  EXPECT_EQ(refusal(on_image()), "no InputError");
  const std::string layer = "layer 0 (affine_coupling)";
  int tested = 0;
  for (const std::vector<double>& shape :
       {std::vector<double>{2, 3, 4}, {0, 3, 6}, {2.5, 3, 3}, {-2, -3, 3}, {1e300, 1e300, 3}}) {
    FlowRecord record = on_image();
    test::array_of(record, 0, "image").values = shape;
    expect_phrases(refusal(record), {layer, "image"});
    ++tested;
  }
  EXPECT_EQ(tested, 5);

  FlowRecord record = on_image();
  test::array_of(record, 0, "image") = {{2}, {2, 9}};
  expect_phrases(refusal(record), {layer, "image", "[3]", "[2]"});

  record = on_image();
  test::array_of(record, 0, "mask").values[3] = 0.0;
  expect_phrases(refusal(record), {layer, "mask", "whole channels"});

  record = on_image();
  for (double& bit : test::array_of(record, 0, "mask").values) bit = 0.0;
  expect_phrases(refusal(record), {layer, "mask", "keeps nothing"});

  record = on_image();
  test::array_of(record, 0, "weight_0") = {{4, 1, 2, 3}, std::vector<double>(24, 0.0)};
  expect_phrases(refusal(record), {layer, "weight_0", "odd", "4 x 1 x 2 x 3"});

  record = on_image();
  test::array_of(record, 0, "weight_0") = {{4, 9}, std::vector<double>(36, 0.0)};
  expect_phrases(refusal(record),
                 {layer, "weight_0", "outputs x inputs x rows x columns", "4 x 9"});

  record = on_image();
  test::array_of(record, 0, "weight_1") = {{3, 4, 1, 1}, std::vector<double>(12, 0.0)};
  expect_phrases(refusal(record), {layer, "weight_1", "2 x 4 x 1 x 1", "3 x 4 x 1 x 1"});

  record = on_image();
  record.layers[0].texts["network"] = "linear layer_norm silu linear";
  expect_phrases(refusal(record), {layer, "layer_norm"});
}

TEST(Flow, NamesTheCountThatIsNone) {
  int tested = 0;
  for (const char* name : {"coordinates", "pixels"}) {
    for (const double bad : {0.0, -1.0, 1.5, 6.0, 1e300}) {
      LayerRecord layer = test::random_diagonal_affine(5, 3);
      layer.numbers[name] = bad;
      expect_phrases(refusal(alone(layer)), {"layer 0 (diagonal_affine)", name, "from 1 to 5"});
      ++tested;
    }
  }
  EXPECT_EQ(tested, 10);
  expect_phrases(refusal(alone(test::per_pixel(test::random_diagonal_affine(2, 3), 2))),
                 {"layer 0 (diagonal_affine)", "pixels", "divide the 5 coordinates"});
  LayerRecord odd = test::squeeze_layer({1, 1, 5});
  expect_phrases(refusal(alone(odd)), {"layer 0 (squeeze)", "image", "even", "1 x 5"});
}

TEST(Flow, NamesTheMatrixThatIsSingular) {
  FlowRecord record = alone(test::random_linear(5, 3));
  std::vector<double>& weight = test::array_of(record, 0, "weight").values;
  for (std::size_t j = 0; j < 5; ++j) weight[5 + j] = 2.0 * weight[j];
  expect_phrases(refusal(record), {"layer 0 (linear)", "weight", "singular"});
}

TEST(Flow, NamesTheOrderThatIsNoPermutation) {
  EXPECT_EQ(refusal(alone(masked_layer())), "no InputError");
  int tested = 0;
  for (const double bad : {1.0, 5.0}) {
    FlowRecord record = alone(masked_layer());
    std::vector<double>& order = test::array_of(record, 0, "order").values;
    order = {1.0, 0.0, 2.0, 3.0, bad};
    expect_phrases(refusal(record), {"layer 0 (affine_autoregressive)", "order", "element 4"});
    ++tested;
  }
  EXPECT_EQ(tested, 2);
}

TEST(Flow, NamesTheCoordinateThatSeesWhatItMustNot) {
  FlowRecord record = alone(masked_layer());
  test::array_of(record, 0, "order").values = {0, 1, 2, 3, 4};
  for (const char* name : {"weight_0", "weight_1", "weight_2"}) {
    for (double& value : test::array_of(record, 0, name).values) value = 0.0;
  }
  EXPECT_EQ(refusal(record), "no InputError");
  // Input 3 -> hidden 7 -> hidden 2 -> the shift of coordinate 3: it depends on itself.
  test::array_of(record, 0, "weight_0").values[7 * 5 + 3] = 0.25;
  test::array_of(record, 0, "weight_1").values[2 * 10 + 7] = 0.25;
  EXPECT_EQ(refusal(record), "no InputError");
  test::array_of(record, 0, "weight_2").values[(5 + 3) * 10 + 2] = 0.25;
  expect_phrases(refusal(record), {"layer 0 (affine_autoregressive)", "not autoregressive",
                                   "coordinate of order 3 depends on the one of order 3"});
}

TEST(Flow, NamesWhatAnAutoregressiveConditionerCannotHave) {
  expect_phrases(refusal(alone(masked_layer("linear layer_norm tanh linear tanh linear"))),
                 {"layer 0 (affine_autoregressive)", "layer_norm"});
  expect_phrases(refusal(alone(masked_layer("linear tanh linear tanh linear tanh"))),
                 {"layer 0 (affine_autoregressive)", "end with linear"});
}

TEST(Flow, NamesTheMistakeInAProgram) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"linear cube linear", "'cube' is unknown"},
      {"linear  tanh linear", "'' is unknown"},
      {"", "'' is unknown"},
      {"tanh linear linear", "begin with linear"},
      {"linear ( ( tanh linear ) ) linear", "close the first one"},
      {"linear tanh ) linear", "without its ("},
      {"linear ( tanh linear", "without its )"},
      {"linear ( tanh linear )", "after its last residual connection"},
      {"linear ( tanh linear ) linear", "equal widths but joins 6 and 7"},
      {"linear affine tanh linear linear linear", "weight_3"},
  };
  std::size_t tested = 0;
  for (const auto& [network, phrase] : mistakes) {
    LayerRecord layer =
        test::random_coupling_of({"additive_coupling", {}, {}, {}}, {1, 0, 0, 1, 0},
                                 {"linear affine linear linear", {6, 7}, 0.5}, 1, 4);
    layer.texts["network"] = network;
    expect_phrases(refusal(alone(layer)), {"layer 0 (additive_coupling)", phrase});
    ++tested;
  }
  EXPECT_EQ(tested, mistakes.size());
}

TEST(Flow, NamesTheDirectionThatItDoesNotKnow) {
  LayerRecord layer = test::random_permutation(5, 1);
  layer.texts["direction"] = "sideways";
  expect_phrases(refusal(alone(layer)),
                 {"layer 0 (permutation)", "direction", "forward, inverse", "sideways"});
}

TEST(Flow, NamesTheFactorThatIsNotTriangularOrIsSingular) {
  FlowRecord record = alone(test::random_lu_linear(5, 2));
  test::array_of(record, 0, "lower").values[1] = 0.5;
  expect_phrases(refusal(record), {"layer 0 (lu_linear)", "lower", "0.5 at (0, 1)"});
  record = alone(test::random_lu_linear(5, 2));
  test::array_of(record, 0, "upper").values[5] = 0.5;
  expect_phrases(refusal(record), {"layer 0 (lu_linear)", "upper", "0.5 at (1, 0)"});
  record = alone(test::random_lu_linear(5, 2));
  test::array_of(record, 0, "upper").values[12] = 0.0;
  expect_phrases(refusal(record), {"layer 0 (lu_linear)", "singular", "zero at 2"});
  record = alone(test::random_lu_linear(5, 2));
  test::array_of(record, 0, "lower").values[18] = 2.0;
  expect_phrases(refusal(record), {"layer 0 (lu_linear)", "ones on its diagonal", "2 at 3"});
}

TEST(Flow, NamesTheReflectionWithoutADirection) {
  FlowRecord record = alone(test::random_householder(5, 2, 2));
  std::vector<double>& vectors = test::array_of(record, 0, "vectors").values;
  std::fill(vectors.begin() + 5, vectors.end(), 0.0);
  expect_phrases(refusal(record), {"layer 0 (householder)", "length 0 at 1"});
  test::array_of(record, 0, "vectors") = {{10}, std::vector<double>(10, 1.0)};
  expect_phrases(refusal(record), {"layer 0 (householder)", "[count x 5]", "[10]"});
  test::array_of(record, 0, "vectors") = {{0, 5}, {}};
  expect_phrases(refusal(record), {"layer 0 (householder)", "[0 x 5]"});
}

TEST(Flow, NamesThePlanarMapThatHasNoInverse) {
  EXPECT_EQ(refusal(alone(test::random_planar(5, "tanh", -0.99, 1))), "no InputError");
  expect_phrases(refusal(alone(test::random_planar(5, "tanh", -1.5, 1))),
                 {"layer 0 (planar)", "no inverse", "exceed -1 but reaches -1."});
  FlowRecord record = alone(test::random_planar(5, "leaky_relu", 0.5, 1));
  record.layers[0].numbers["negative_slope"] = -4.0;
  expect_phrases(refusal(record), {"layer 0 (planar)", "no inverse", "reaches -"});
}

TEST(Flow, NamesTheRadialMapThatHasNoInverse) {
  EXPECT_EQ(refusal(alone(test::random_radial(5, -0.99, 1))), "no InputError");
  expect_phrases(refusal(alone(test::random_radial(5, -1.0, 1))),
                 {"layer 0 (radial)", "no inverse", "-0.75"});
  FlowRecord record = alone(test::random_radial(5, 0.5, 1));
  record.layers[0].numbers["alpha"] = 0.0;
  expect_phrases(refusal(record), {"layer 0 (radial)", "alpha", "positive", "0"});
  record.layers[0].numbers.erase("alpha");
  expect_phrases(refusal(record), {"layer 0 (radial)", "alpha", "missing"});
}

TEST(Flow, NamesWhatIsWrongWithASylvesterMap) {
  const FlowRecord good = alone(test::random_sylvester(5, 3, 0.5, 1));
  EXPECT_EQ(refusal(good), "no InputError");
  expect_phrases(refusal(alone(test::random_sylvester(5, 3, -1.0, 1))),
                 {"layer 0 (sylvester)", "no inverse", "-1", "row 0"});
  FlowRecord record = good;
  std::fill_n(test::array_of(record, 0, "vectors").values.begin(), 5, 0.0);
  expect_phrases(refusal(record), {"layer 0 (sylvester)", "length 0 at 0"});
  record = good;
  test::array_of(record, 0, "s").values[3] = 0.5;
  expect_phrases(refusal(record), {"'s'", "upper triangular", "row 1"});
  record = good;
  test::array_of(record, 0, "r").shape = {9};
  expect_phrases(refusal(record), {"'r'", "3 x 3"});
  record = good;
  test::array_of(record, 0, "vectors").shape = {5, 3};
  expect_phrases(refusal(record), {"'vectors'", "count x 5", "5 x 3"});
  record = good;
  test::array_of(record, 0, "b") = {{6}, std::vector<double>(6, 0.0)};
  expect_phrases(refusal(record), {"'b'", "1 to 5", "[6]"});
}

// A record may also be built in memory, without a file.
TEST(Flow, NamesTheArrayWhoseValuesAreNotAsManyAsItsShapeSays) {
  const FlowRecord complete = sound();
  int tested = 0;
  for (std::size_t k = 0; k < complete.layers.size(); ++k) {
    for (const auto& [name, tensor] : complete.layers[k].arrays) {
      FlowRecord record = complete;
      test::array_of(record, k, name).values.pop_back();
      expect_phrases(refusal(record),
                     {"layer " + std::to_string(k), name, std::to_string(tensor.values.size()),
                      std::to_string(tensor.values.size() - 1)});
      test::array_of(record, k, name).values.resize(tensor.values.size() + 1, 0.0);
      expect_phrases(refusal(record), {"layer " + std::to_string(k), name});
      ++tested;
    }
  }
  EXPECT_EQ(tested, 1 + 7 + 2 + 1);
}

TEST(Flow, RefusesIndicesThatAreNoPermutation) {
  FlowRecord record = sound();
  test::array_of(record, 3, "indices").values = {0, 1, 2, 1, 4};
  expect_phrases(refusal(record), {"layer 3 (permutation)", "indices", "1 is repeated"});
  test::array_of(record, 3, "indices").values = {0, 1, 2, 3, 5};
  expect_phrases(refusal(record), {"layer 3 (permutation)", "indices", "5", "not below 5"});
  int tested = 0;
  for (const double bad : {-1.0, 0.5, 1e18, 7.0}) {
    test::array_of(record, 3, "indices").values = {0, 1, 2, 3, bad};
    expect_phrases(refusal(record), {"layer 3 (permutation)", "indices"});
    ++tested;
  }
  EXPECT_EQ(tested, 4);
}

TEST(Flow, RefusesAScaleOfZero) {
  FlowRecord record = sound();
  test::array_of(record, 2, "scale").values[4] = 0.0;
  expect_phrases(refusal(record), {"layer 2 (diagonal_affine)", "scale", "zero", "element 4"});
}

TEST(Flow, RefusesAMaskThatIsNotOne) {
  FlowRecord record = sound();
  test::array_of(record, 1, "mask").values = {1, 1, 1, 1, 1};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "mask", "no zero"});
  test::array_of(record, 1, "mask").values = {1, 0, 2, 1, 0};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "mask", "zeros and ones"});
  test::array_of(record, 1, "mask").values = {1, 0, 0.5, 1, 0};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "mask", "0.5"});
}

TEST(Flow, NamesEveryEntryThatIsMissing) {
  const FlowRecord complete = sound();
  int tested = 0;
  for (std::size_t k = 0; k < complete.layers.size(); ++k) {
    for (const auto& [name, tensor] : complete.layers[k].arrays) {
      FlowRecord record = complete;
      record.layers[k].arrays.erase(name);
      const std::string layer = "layer " + std::to_string(k) + " (" + record.layers[k].type + ")";
      // A conditioner ends at the first missing number: the map before it is then the last, and
      // does not fit.
      const std::string named = name == "weight_1"   ? "weight_0"
                                : name == "weight_2" ? "weight_1"
                                                     : name;
      expect_phrases(refusal(record), {layer, named});
      ++tested;
    }
  }
  EXPECT_EQ(tested, 1 + 7 + 2 + 1);
  FlowRecord record = complete;
  record.layers[1].texts.clear();
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "activation", "missing"});
}

TEST(Flow, RefusesEntriesThatItWouldNotUse) {
  FlowRecord record = sound();
  record.layers[1].arrays["weight_4"] = {{1}, {0.0}};
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "weight_4"});
  record = sound();
  record.layers[1].numbers["negative_slope"] = 0.1;  // of leaky_relu; but this is tanh
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "negative_slope"});
  record = sound();
  record.layers[2].texts["comment"] = "?";
  expect_phrases(refusal(record), {"layer 2 (diagonal_affine)", "comment"});
  record = sound();
  record.layers[0].arrays["scale"] = {{5}, {1, 1, 1, 1, 1}};
  expect_phrases(refusal(record), {"layer 0 (permutation)", "scale"});
  record = test::flow_of(3, {test::sigmoid_layer()});
  record.layers[0].numbers["temperature"] = 2.0;
  expect_phrases(refusal(record), {"layer 0 (sigmoid)", "temperature"});
}

TEST(Flow, NamesAnUnknownActivationAndTheKnownOnes) {
  FlowRecord record = sound();
  record.layers[1].texts["activation"] = "mish";
  expect_phrases(refusal(record), {"layer 1 (affine_coupling)", "mish", "tanh", "relu",
                                   "leaky_relu", "silu", "elu"});
}

TEST(Flow, RefusesAnActivationParameterThatIsNotFinite) {
  FlowRecord record = test::flow_of(2, {test::random_coupling({1, 0}, {{4}, "leaky_relu"}, 1)});
  record.layers[0].numbers["negative_slope"] = std::nan("");
  expect_phrases(refusal(record), {"layer 0 (affine_coupling)", "negative_slope", "finite"});
}

TEST(Flow, RefusesADimensionOrABaseThatItDoesNotKnow) {
  FlowRecord record = sound();
  record.dim = 0;
  expect_phrases(refusal(record), {"dim", "0"});
  record.dim = -3;
  expect_phrases(refusal(record), {"dim", "-3"});
  record = sound();
  record.base.type = "student";
  expect_phrases(refusal(record), {"base density", "student", "standard_normal", "uniform_box"});
}

}  // namespace
}  // namespace flotilla
