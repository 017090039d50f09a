#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <ostream>

#include "flotilla/flow/flow.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"
#include "support/dense_jacobian.hpp"
#include "support/test_flows.hpp"

// What layer.hpp promises, held for every layer type, for edge cases of each, and for composites.
// The truth is a dense Jacobian from finite differences of forward() in double precision.

namespace flotilla {
namespace {

/// A layer under test, and where it may be evaluated.
struct LayerCase {
  std::string name;
  FlowRecord record;  ///< of one layer, which then stands for itself, or of several: a composite
  bool on_unit_interval = false;  ///< z in (0, 1), not on the line
  bool kinked = false;            ///< only piecewise smooth
};

void PrintTo(const LayerCase& tested, std::ostream* out) {
  *out << tested.name;
}

std::vector<int> alternating(Index dim) {
  std::vector<int> mask;
  for (Index i = 0; i < dim; ++i) mask.push_back(i % 2 == 0 && dim > 1 ? 1 : 0);
  return mask;
}

/// Every parameterisation of the affine map, with the numbers that it wants.
std::vector<std::pair<std::string, LayerRecord>> affine_maps(const std::string& type) {
  return {
      {"exp", {type, {}, {}, {}}},
      {"exp_before", {type, {{"shift", "before"}}, {}, {}}},
      {"sigmoid", {type, {{"scale", "sigmoid"}}, {{"offset", 1.5}, {"floor", 0.0625}}, {}}},
      {"reciprocal", {type, {{"scale", "reciprocal_sigmoid"}, {"shift", "before"}}, {}, {}}},
      {"tanh", {type, {{"scale", "tanh"}}, {{"bound", 0.75}}, {}}},
      {"softclip", {type, {{"scale", "softclip"}, {"shift", "before"}}, {{"bound", 2.0}}, {}}},
      {"softplus", {type, {{"scale", "softplus"}}, {{"offset", 0.5}, {"floor", 0.125}}, {}}},
  };
}

void add_maps_and_programs(std::vector<LayerCase>& all) {
  using test::flow_of;
  const test::Program plain{"linear silu linear", {9}, 0.4};
  for (const auto& [name, map] : affine_maps("affine_coupling")) {
    all.push_back({"affine_coupling_" + name,
                   flow_of(5, {test::random_coupling_of(map, {1, 0, 0, 1, 0}, plain, 2, 31)})});
  }
  for (const auto& [name, map] : affine_maps("affine_autoregressive")) {
    all.push_back({"affine_autoregressive_" + name,
                   flow_of(4, {test::random_autoregressive_of(map, 4, plain, 2, 32)})});
  }
  const std::vector<std::pair<std::string, std::string>> programs = {
      {"residual", "linear ( silu linear silu linear ) linear"},
      {"two_residuals", "linear ( tanh linear silu linear ) ( elu linear tanh linear ) linear"},
      {"normalised", "linear affine ( softplus linear affine sigmoid linear ) linear tanh"},
      {"layer_normalised", "linear layer_norm silu linear ( layer_norm tanh linear ) linear"},
  };
  for (const auto& [name, network] : programs) {
    test::Program fitting{network, {}, 0.4};
    for (std::size_t at = 0; (at = network.find("linear", at + 1)) != std::string::npos;) {
      fitting.widths.push_back(8);  // every linear map but the first makes the one before hidden
    }
    all.push_back({"additive_coupling_" + name,
                   flow_of(5, {test::random_coupling_of({"additive_coupling", {}, {}, {}},
                                                        {1, 0, 1, 1, 0}, fitting, 1, 33)}),
                   false, name == "two_residuals"});
    if (name != "residual" && name != "two_residuals") continue;
    all.push_back({"additive_autoregressive_" + name,
                   flow_of(5, {test::random_autoregressive_of(
                                  {"additive_autoregressive", {}, {}, {}}, 5, fitting, 1, 34)})});
  }
  for (const char* tails : {"linear", "circular"}) {
    for (const char* parameterization : {"softmax", "softclip"}) {
      const bool circular = std::string(tails) == "circular";
      const std::string name = std::string("_") + tails + "_" + parameterization;
      const auto map = [&](const char* type) {
        return test::spline_map(type, 5, tails, parameterization);
      };
      all.push_back({"spline_coupling" + name,
                     flow_of(5, {test::random_coupling_of(map("spline_coupling"), {1, 0, 0, 1, 0},
                                                          plain, circular ? 15 : 14, 35)}),
                     false, true});
      all.push_back({"spline_autoregressive" + name,
                     flow_of(4, {test::random_autoregressive_of(map("spline_autoregressive"), 4,
                                                                plain, circular ? 15 : 14, 36)}),
                     false, true});
    }
  }
  for (const Index dim : {Index{1}, Index{2}, Index{3}, Index{7}, Index{64}}) {
    const test::Program wide{"linear tanh linear silu linear", {2 * dim, dim + 3}, 0.3};
    const std::string name = "_of_" + std::to_string(dim);
    all.push_back({"lu_linear" + name, flow_of(dim, {test::random_lu_linear(dim, 41)})});
    all.push_back({"linear" + name, flow_of(dim, {test::random_linear(dim, 54)})});
    all.push_back({"permutation" + name, flow_of(dim, {test::random_permutation(dim, 47)})});
    all.push_back(
        {"diagonal_affine" + name, flow_of(dim, {test::random_diagonal_affine(dim, 48)})});
    all.push_back({"sigmoid" + name, flow_of(dim, {test::sigmoid_layer()})});
    all.push_back({"logit" + name, flow_of(dim, {test::logit_layer()}), true});
    all.push_back({"additive_coupling" + name,
                   flow_of(dim, {test::random_coupling_of({"additive_coupling", {}, {}, {}},
                                                          alternating(dim), wide, 1, 49)})});
    all.push_back({"spline_coupling" + name,
                   flow_of(dim, {test::random_coupling_of(
                                    test::spline_map("spline_coupling", 3, "circular", "softmax"),
                                    alternating(dim), wide, 9, 50)}),
                   false, true});
    all.push_back({"additive_autoregressive" + name,
                   flow_of(dim, {test::random_autoregressive_of(
                                    {"additive_autoregressive", {}, {}, {}}, dim, wide, 1, 51)})});
    all.push_back({"affine_autoregressive" + name,
                   flow_of(dim, {test::random_autoregressive_of(
                                    {"affine_autoregressive", {}, {}, {}}, dim, wide, 2, 52)})});
    all.push_back(
        {"spline_autoregressive" + name,
         flow_of(dim, {test::random_autoregressive_of(
                          test::spline_map("spline_autoregressive", 3, "linear", "softclip"), dim,
                          wide, 8, 53)}),
         false, true});
    for (const double overlap : {-0.875, 0.5, 4.0}) {
      const std::string strength = overlap < 0.0 ? "_shrinks" : overlap > 1.0 ? "_stretches" : "";
      all.push_back({"planar" + strength + name,
                     flow_of(dim, {test::random_planar(dim, "tanh", overlap, 43)})});
      all.push_back({"planar_leaky" + strength + name,
                     flow_of(dim, {test::random_planar(dim, "leaky_relu", overlap, 44)}), false,
                     true});
    }
    for (const double strength : {-0.75, 0.5, 8.0}) {
      const std::string kind = strength < 0.0 ? "_shrinks" : strength > 1.0 ? "_stretches" : "";
      all.push_back(
          {"radial" + kind + name, flow_of(dim, {test::random_radial(dim, strength, 45)})});
    }
    for (const double overlap : {-0.75, 1.0}) {
      const std::string kind = overlap < 0.0 ? "_shrinks" : "_stretches";
      const Index units = std::min<Index>(dim, 20);
      all.push_back({"sylvester" + kind + name,
                     flow_of(dim, {test::random_sylvester(dim, units, overlap, 46)})});
    }
    all.push_back({"householder" + name, flow_of(dim, {test::random_householder(dim, 5, 42)})});
    all.push_back({"affine_coupling" + name,
                   flow_of(dim, {test::random_coupling_of({"affine_coupling", {}, {}, {}},
                                                          alternating(dim), wide, 2, 37)})});
    all.push_back({"inverse_affine_autoregressive" + name,
                   flow_of(dim, {test::inverted(test::random_autoregressive_of(
                                    {"affine_autoregressive", {}, {}, {}}, dim, wide, 2, 38))})});
    all.push_back({"inverse_spline_coupling" + name,
                   flow_of(dim, {test::inverted(test::random_coupling_of(
                                    test::spline_map("spline_coupling", 3, "linear", "softmax"),
                                    alternating(dim), wide, 8, 39))}),
                   false, true});
    all.push_back(
        {"inverse_spline_autoregressive" + name,
         flow_of(dim, {test::inverted(test::random_autoregressive_of(
                          test::spline_map("spline_autoregressive", 3, "linear", "softmax"), dim,
                          wide, 8, 40))}),
         false, true});
  }
}

/// Ones in the first `kept` of `channels` channels.
std::vector<int> channel_mask(Index channels, Index kept, Index pixels) {
  std::vector<int> mask(static_cast<std::size_t>(channels * pixels), 0);
  std::fill_n(mask.begin(), kept * pixels, 1);
  return mask;
}

/// Ones where row + column is even, in every channel.
std::vector<int> checkerboard_mask(Index channels, Index rows, Index columns) {
  std::vector<int> mask;
  for (Index i = 0; i < channels * rows * columns; ++i) {
    mask.push_back((i / columns % rows + i % columns) % 2 == 0 ? 1 : 0);
  }
  return mask;
}

void add_images(std::vector<LayerCase>& all) {
  using test::flow_of;
  const test::Program glow{"linear silu linear silu linear", {9, 8}, 0.4};
  const std::vector<std::pair<Index, Index>> kernels = {{3, 3}, {1, 1}, {3, 3}};
  const test::Program residual{"linear ( silu linear affine tanh linear ) linear", {5, 5, 5}, 0.4};
  const std::vector<std::pair<Index, Index>> odd_kernels = {{3, 5}, {1, 3}, {3, 1}, {1, 1}};
  const LayerRecord affine{"affine_coupling", {}, {}, {}};
  const auto add = [&](const char* name, const LayerRecord& layer, bool kinked = false) {
    const Index dim = layer.arrays.at("mask").shape[0];
    all.push_back({name, flow_of(dim, {layer}), false, kinked});
  };
  add("convolutional_by_channel",
      test::random_convolutional_coupling_of(affine, {4, 3, 3}, channel_mask(4, 2, 9), glow,
                                             kernels, 2, 61));
  add("convolutional_uneven_channels",
      test::random_convolutional_coupling_of(affine, {3, 2, 4}, channel_mask(3, 1, 8), glow,
                                             kernels, 2, 62));
  add("convolutional_checkerboard",
      test::random_convolutional_coupling_of(affine, {1, 4, 5}, checkerboard_mask(1, 4, 5), glow,
                                             kernels, 2, 63));
  add("convolutional_checkerboard_of_channels",
      test::random_convolutional_coupling_of(affine, {3, 3, 2}, checkerboard_mask(3, 3, 2), glow,
                                             kernels, 2, 64));
  add("convolutional_residual",
      test::random_convolutional_coupling_of({"additive_coupling", {}, {}, {}}, {2, 3, 4},
                                             channel_mask(2, 1, 12), residual, odd_kernels, 1, 65));
  add("convolutional_spline",
      test::random_convolutional_coupling_of(
          test::spline_map("spline_coupling", 3, "linear", "softmax"), {2, 2, 3},
          channel_mask(2, 1, 6), glow, kernels, 8, 66),
      true);
  add("convolutional_inverse",
      test::inverted(test::random_convolutional_coupling_of(
          affine, {2, 3, 3}, channel_mask(2, 1, 9), glow, kernels, 2, 67)));
  add("convolutional_kernel_larger_than_image",
      test::random_convolutional_coupling_of(affine, {2, 2, 1}, channel_mask(2, 1, 2),
                                             {"linear", {}, 0.4}, {{5, 3}}, 2, 68));
  const std::vector<std::pair<std::string, LayerRecord>> linear = {
      {"lu_linear", test::random_lu_linear(3, 71)},
      {"linear", test::random_linear(3, 72)},
      {"householder", test::random_householder(3, 2, 73)},
      {"permutation", test::random_permutation(3, 74)},
      {"diagonal_affine", test::random_diagonal_affine(3, 75)},
  };
  for (const auto& [name, layer] : linear) {
    all.push_back({name + "_per_pixel", flow_of(15, {test::per_pixel(layer, 5)})});
    all.push_back({name + "_on_first", flow_of(8, {test::on_first(layer, 3)})});
  }
  all.push_back({"coupling_on_first",
                 flow_of(7, {test::on_first(test::random_coupling({1, 0, 1, 0}, {{6}}, 76), 4)})});
  all.push_back({"squeeze_of_4", flow_of(4, {test::squeeze_layer({1, 2, 2})})});
  all.push_back({"squeeze_of_64", flow_of(64, {test::squeeze_layer({1, 8, 8})})});
  all.push_back({"squeeze_of_channels", flow_of(24, {test::squeeze_layer({3, 4, 2})})});
  // Two levels: the first half of the channels is split off, squeezed and moved on its own.
  all.push_back({"multi_scale",
                 flow_of(16, {test::on_first(test::random_convolutional_coupling_of(
                                                 affine, {8, 1, 1}, channel_mask(8, 4, 1), glow,
                                                 kernels, 2, 77),
                                             8),
                              test::on_first(test::random_linear(8, 78), 8),
                              test::on_first(test::inverted(test::squeeze_layer({2, 2, 2})), 8),
                              test::random_convolutional_coupling_of(
                                  affine, {4, 2, 2}, channel_mask(4, 2, 4), glow, kernels, 2, 79),
                              test::per_pixel(test::random_lu_linear(4, 80), 4),
                              test::inverted(test::squeeze_layer({1, 4, 4}))})});
}

std::vector<LayerCase> layer_cases() {
  using test::flow_of;
  using test::random_coupling;
  std::vector<LayerCase> all;
  const std::vector<int> mixed = {1, 0, 0, 1, 0};
  for (const char* activation : {"tanh", "relu", "leaky_relu", "silu", "elu"}) {
    const std::string name = activation;
    const bool kinked = name.ends_with("elu") || name == "relu";
    all.push_back({"coupling_" + name, flow_of(5, {random_coupling(mixed, {{8, 7}, name}, 1)}),
                   false, kinked});
  }
  all.push_back({"coupling_linear", flow_of(5, {random_coupling(mixed, {{}}, 2)})});
  all.push_back({"coupling_moves_one", flow_of(4, {random_coupling({1, 1, 0, 1}, {{6}}, 3)})});
  all.push_back({"coupling_keeps_one", flow_of(4, {random_coupling({0, 0, 1, 0}, {{6}}, 4)})});
  all.push_back({"coupling_keeps_none", flow_of(3, {random_coupling({0, 0, 0}, {{4}}, 5)})});
  all.push_back({"coupling_keeps_none_linear", flow_of(3, {random_coupling({0, 0, 0}, {{}}, 6)})});
  all.push_back({"coupling_of_one", flow_of(1, {random_coupling({0}, {{}}, 7)})});
  all.push_back(
      {"coupling_wide", flow_of(13, {random_coupling({1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
                                                     {{64, 19, 33}, "silu"}, 8)})});
  add_maps_and_programs(all);
  add_images(all);
  all.push_back({"diagonal_affine", flow_of(4, {test::random_diagonal_affine(4, 9)})});
  all.push_back({"diagonal_affine_of_one", flow_of(1, {test::random_diagonal_affine(1, 10)})});
  all.push_back({"permutation", flow_of(7, {test::random_permutation(7, 11)})});
  all.push_back({"permutation_of_one", flow_of(1, {test::random_permutation(1, 12)})});
  all.push_back({"sigmoid", flow_of(3, {test::sigmoid_layer()})});
  all.push_back({"sigmoid_of_one", flow_of(1, {test::sigmoid_layer()})});
  all.push_back({"logit", flow_of(3, {test::logit_layer()}), true});
  all.push_back({"shear", test::shear_flow(0.75)});
  all.push_back({"real_nvp", test::random_real_nvp(6, 4, {{10, 9}, "tanh", 0.4}, 13)});
  all.push_back({"rich", test::rich_flow(5, 14), false, true});  // its splines are
  return all;
}

template <typename T>
std::unique_ptr<Layer<T>> build(const FlowRecord& record) {
  if (record.layers.size() == 1) return make_layer<T>(record.layers.front(), 0, record.dim);
  return std::make_unique<Flow<T>>(record);
}

/// A layer in the precision under test, with points, directions and cotangents for one batch.
template <typename T>
struct Scene {
  Scene(const LayerCase& tested, Index width)
      : layer(build<T>(tested.record)),
        reference(build<double>(tested.record)),
        step(tested.kinked ? test::kKinkedStep : test::kSmoothStep),
        layers(static_cast<double>(tested.record.layers.size())),
        chains(width) {
    test::NumberStream numbers(static_cast<std::uint64_t>(width));
    const Index dim = layer->dim();
    z = numbers.matrix(dim, width, 1.5);
    if (tested.on_unit_interval) z = (0.5 + z.array() * 0.25).matrix();
    v = numbers.matrix(dim, width, 1.0);
    w = numbers.matrix(dim, width, 1.0);
    log_det_bar = numbers.matrix(1, width, 2.0);
    // The image, in the precision under test: inverse() has to be given what forward() gave.
    x = test::images(*reference, z).x.template cast<T>().template cast<double>();
  }

  Index dim() const { return layer->dim(); }

  /// Rounding errors of the few dozen operations that make a value of a layer, of either sign.
  static double rounding() { return 8.0 * static_cast<double>(std::numeric_limits<T>::epsilon()); }
  /// The same, for values that went through an inverse of the layer: its slopes are at most 32, as
  /// TheCasesAreWellConditioned asserts.
  static double amplified_rounding() { return 32.0 * rounding(); }
  /// What finite differences leave undecided, beside the rounding of the layer under test. Smooth:
  /// their truncation. Kinked: the rounding of a value, 8 epsilon a layer, over the smallest step,
  /// 2^-19, twice that after extrapolation; products sum over dim of them. All of either sign.
  double differencing() const {
    const double undecided = 16.0 * std::numeric_limits<double>::epsilon() / (0.25 * step) *
                             std::sqrt(static_cast<double>(dim()) * layers);
    return std::max(1e-10, undecided) + amplified_rounding();
  }

  std::unique_ptr<Layer<T>> layer;
  std::unique_ptr<Layer<double>> reference;
  double step;
  double layers;
  Index chains;
  Eigen::MatrixXd z;
  Eigen::MatrixXd x;
  Eigen::MatrixXd v;
  Eigen::MatrixXd w;
  Eigen::MatrixXd log_det_bar;
};

/// A point that forward() or inverse() recorded.
template <typename T>
struct Recorded {
  Batch<T> image;
  PerChain log_det;
  Tape<T> tape;
};

template <typename T>
Recorded<T> forward(const Layer<T>& layer, const Eigen::MatrixXd& z) {
  Recorded<T> point{test::to_batch<T>(z), PerChain(1, z.cols()),
                    Tape<T>(layer.tape_shape(), z.cols())};
  layer.forward(point.image, point.log_det, point.tape);
  return point;
}

template <typename T>
Recorded<T> inverse(const Layer<T>& layer, const Eigen::MatrixXd& x) {
  Recorded<T> point{test::to_batch<T>(x), PerChain(1, x.cols()),
                    Tape<T>(layer.tape_shape(), x.cols())};
  layer.inverse(point.image, point.log_det, point.tape);
  return point;
}

template <typename T>
Eigen::MatrixXd jvp(const Layer<T>& layer, const Tape<T>& tape, const Eigen::MatrixXd& v) {
  Batch<T> batch = test::to_batch<T>(v);
  layer.jvp(tape, batch);
  return test::to_matrix(batch);
}

template <typename T>
Eigen::MatrixXd vjp(const Layer<T>& layer, const Tape<T>& tape, const Eigen::MatrixXd& w,
                    const Eigen::MatrixXd& log_det_bar) {
  Batch<T> batch = test::to_batch<T>(w);
  layer.vjp(tape, batch, test::to_batch<T>(log_det_bar));
  return test::to_matrix(batch);
}

template <typename T>
Eigen::MatrixXd inverse_jvp(const Layer<T>& layer, const Tape<T>& tape, const Eigen::MatrixXd& v) {
  Batch<T> batch = test::to_batch<T>(v);
  layer.inverse_jvp(tape, batch);
  return test::to_matrix(batch);
}

template <typename T>
Eigen::MatrixXd inverse_vjp(const Layer<T>& layer, const Tape<T>& tape, const Eigen::MatrixXd& w,
                            const Eigen::MatrixXd& log_det_bar) {
  Batch<T> batch = test::to_batch<T>(w);
  layer.inverse_vjp(tape, batch, test::to_batch<T>(log_det_bar));
  return test::to_matrix(batch);
}

/// The four products at one recorded point, one above the other: [4 dim x chains].
template <typename T>
Eigen::MatrixXd products(const Layer<T>& layer, const Tape<T>& tape, const Eigen::MatrixXd& v,
                         const Eigen::MatrixXd& w, const Eigen::MatrixXd& log_det_bar) {
  Eigen::MatrixXd all(4 * layer.dim(), v.cols());
  all << jvp(layer, tape, v), vjp(layer, tape, w, log_det_bar), inverse_jvp(layer, tape, v),
      inverse_vjp(layer, tape, w, log_det_bar);
  return all;
}

/// The results of all six operations for the chosen columns of a scene: image, log det and
/// products at a point reached by forward(), then those at one reached by inverse().
template <typename T>
Eigen::MatrixXd everything(const Scene<T>& scene, const std::vector<Index>& columns) {
  const Eigen::MatrixXd v = scene.v(Eigen::all, columns);
  const Eigen::MatrixXd w = scene.w(Eigen::all, columns);
  const Eigen::MatrixXd bar = scene.log_det_bar(Eigen::all, columns);
  const Layer<T>& layer = *scene.layer;
  const Recorded<T> there = forward(layer, scene.z(Eigen::all, columns));
  const Recorded<T> back = inverse(layer, scene.x(Eigen::all, columns));
  Eigen::MatrixXd all(2 * (5 * layer.dim() + 1), v.cols());
  all << test::to_matrix(there.image), test::to_matrix(there.log_det),
      products(layer, there.tape, v, w, bar), test::to_matrix(back.image),
      test::to_matrix(back.log_det), products(layer, back.tape, v, w, bar);
  return all;
}

std::vector<Index> all_columns(Index chains) {
  std::vector<Index> columns;
  for (Index c = 0; c < chains; ++c) columns.push_back(c);
  return columns;
}

/// The dense derivatives at every point of a scene.
template <typename T>
std::vector<test::Differences> differences(const Scene<T>& scene) {
  std::vector<test::Differences> all;
  for (Index c = 0; c < scene.chains; ++c) {
    all.push_back(test::differentiate(*scene.reference, scene.z.col(c), scene.step));
  }
  return all;
}

constexpr std::array<Index, 4> kWidths = {1, 3, 17, 64};

class LayerContract : public testing::TestWithParam<LayerCase> {
 protected:
  /// Runs a property on scenes of each batch width, in float and in double.
  template <typename Property>
  void holds(Property property) const {
    int scenes = 0;
    for (const Index width : kWidths) {
      {
        SCOPED_TRACE(testing::Message() << "double, batch width " << width);
        property(Scene<double>(GetParam(), width));
      }
      {
        SCOPED_TRACE(testing::Message() << "float, batch width " << width);
        property(Scene<float>(GetParam(), width));
      }
      scenes += 2;
    }
    ASSERT_EQ(scenes, 8);
  }
};

INSTANTIATE_TEST_SUITE_P(, LayerContract, testing::ValuesIn(layer_cases()),
                         [](const auto& tested) { return tested.param.name; });

// The premise of the tolerances.
TEST_P(LayerContract, TheCasesAreWellConditioned) {
  holds([]<typename T>(const Scene<T>& scene) {
    double largest = 0.0;
    for (const test::Differences& at : differences(scene)) {
      const Eigen::VectorXd stretches =
          Eigen::JacobiSVD<Eigen::MatrixXd>(at.jacobian).singularValues();
      largest = std::max({largest, stretches.maxCoeff(), 1.0 / stretches.minCoeff()});
    }
    EXPECT_GT(largest, 0.0);
    EXPECT_LT(largest, 32.0);
  });
}

TEST_P(LayerContract, InverseTakesBackWhatForwardDid) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Recorded<T> there = forward(*scene.layer, scene.z);
    const Recorded<T> back = inverse(*scene.layer, test::to_matrix(there.image));
    EXPECT_LE(test::largest_deviation(test::to_matrix(back.image), scene.z),
              scene.amplified_rounding());
    const Recorded<T> again = forward(*scene.layer, test::to_matrix(back.image));
    EXPECT_LE(test::largest_deviation(test::to_matrix(again.image), test::to_matrix(there.image)),
              scene.amplified_rounding());
  });
}

TEST_P(LayerContract, ForwardIsTheReferenceInDouble) {
  holds([]<typename T>(const Scene<T>& scene) {
    const test::Images expected = test::images(*scene.reference, scene.z);
    const Recorded<T> there = forward(*scene.layer, scene.z);
    EXPECT_LE(test::largest_deviation(test::to_matrix(there.image), expected.x),
              scene.amplified_rounding());
    EXPECT_LE(test::largest_deviation(test::to_matrix(there.log_det), expected.log_det),
              scene.amplified_rounding());
  });
}

TEST_P(LayerContract, BothWaysGiveTheSameLogDet) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Recorded<T> there = forward(*scene.layer, scene.z);
    const Recorded<T> back = inverse(*scene.layer, test::to_matrix(there.image));
    EXPECT_LE(
        test::largest_deviation(test::to_matrix(back.log_det), test::to_matrix(there.log_det)),
        scene.amplified_rounding());
  });
}

TEST_P(LayerContract, LogDetIsThatOfTheDenseJacobian) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::RowVectorXd expected(scene.chains);
    Index column = 0;
    for (const test::Differences& at : differences(scene)) {
      expected(column++) = test::log_abs_det(at.jacobian);
    }
    ASSERT_EQ(column, scene.chains);
    EXPECT_LE(
        test::largest_deviation(test::to_matrix(forward(*scene.layer, scene.z).log_det), expected),
        scene.differencing());
  });
}

TEST_P(LayerContract, LogDetIsAddedToWhatIsThere) {
  holds([]<typename T>(const Scene<T>& scene) {
    constexpr double kBefore = 1024.0;  // its sum with a log det rounds to 1e-13
    for (const bool inverse_too : {false, true}) {
      Recorded<T> fresh =
          inverse_too ? inverse(*scene.layer, scene.x) : forward(*scene.layer, scene.z);
      PerChain total(1, scene.chains);
      total.fill(kBefore);
      Batch<T> point = test::to_batch<T>(inverse_too ? scene.x : scene.z);
      if (inverse_too) {
        scene.layer->inverse(point, total, fresh.tape);
      } else {
        scene.layer->forward(point, total, fresh.tape);
      }
      const Eigen::MatrixXd added = test::to_matrix(total).array() - kBefore;
      EXPECT_LE(test::largest_deviation(added, test::to_matrix(fresh.log_det)), 1e-11);
    }
  });
}

TEST_P(LayerContract, JvpIsTheDenseJacobianTimesAVector) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd expected(scene.dim(), scene.chains);
    Index c = 0;
    for (const test::Differences& at : differences(scene)) {
      expected.col(c) = at.jacobian * scene.v.col(c);
      ++c;
    }
    const Recorded<T> there = forward(*scene.layer, scene.z);
    EXPECT_LE(test::largest_deviation(jvp(*scene.layer, there.tape, scene.v), expected),
              scene.differencing());
  });
}

TEST_P(LayerContract, VjpOfALogDetCotangentAloneIsTheGradientOfTheLogDet) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd expected(scene.dim(), scene.chains);
    Index c = 0;
    for (const test::Differences& at : differences(scene)) {
      expected.col(c++) = at.log_det_gradient;
    }
    const Recorded<T> there = forward(*scene.layer, scene.z);
    const Eigen::MatrixXd found =
        vjp(*scene.layer, there.tape, Eigen::MatrixXd::Zero(scene.dim(), scene.chains),
            Eigen::MatrixXd::Ones(1, scene.chains));
    EXPECT_LE(test::largest_deviation(found, expected), scene.differencing());
  });
}

TEST_P(LayerContract, VjpIsTheTransposedJacobianPlusItsShareOfTheLogDet) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd expected(scene.dim(), scene.chains);
    Index c = 0;
    for (const test::Differences& at : differences(scene)) {
      expected.col(c) =
          at.jacobian.transpose() * scene.w.col(c) + scene.log_det_bar(0, c) * at.log_det_gradient;
      ++c;
    }
    const Recorded<T> there = forward(*scene.layer, scene.z);
    EXPECT_LE(test::largest_deviation(vjp(*scene.layer, there.tape, scene.w, scene.log_det_bar),
                                      expected),
              scene.differencing());
  });
}

TEST_P(LayerContract, InverseJvpSolvesWithTheDenseJacobian) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd expected(scene.dim(), scene.chains);
    Index c = 0;
    for (const test::Differences& at : differences(scene)) {
      expected.col(c) = at.jacobian.partialPivLu().solve(scene.v.col(c));
      ++c;
    }
    const Recorded<T> there = forward(*scene.layer, scene.z);
    EXPECT_LE(test::largest_deviation(inverse_jvp(*scene.layer, there.tape, scene.v), expected),
              32.0 * scene.differencing());  // the solution is as far off as J^-1 is large
  });
}

TEST_P(LayerContract, InverseVjpSolvesWithTheTransposedDenseJacobian) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd expected(scene.dim(), scene.chains);
    Index c = 0;
    for (const test::Differences& at : differences(scene)) {
      const Eigen::VectorXd right_hand_side =
          scene.w.col(c) + scene.log_det_bar(0, c) * at.log_det_gradient;
      const Eigen::MatrixXd transposed = at.jacobian.transpose();
      expected.col(c) = transposed.partialPivLu().solve(right_hand_side);
      ++c;
    }
    const Recorded<T> there = forward(*scene.layer, scene.z);
    EXPECT_LE(test::largest_deviation(
                  inverse_vjp(*scene.layer, there.tape, scene.w, scene.log_det_bar), expected),
              32.0 * scene.differencing());
  });
}

/// <a, b> of each column, over |a| |b|.
Eigen::RowVectorXd cosines(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b,
                           const Eigen::RowVectorXd& scale) {
  return (a.array() * b.array()).colwise().sum() / scale.array();
}

TEST_P(LayerContract, JvpAndVjpAreAdjoint) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Recorded<T> there = forward(layer, scene.z);
    const Eigen::MatrixXd none = Eigen::MatrixXd::Zero(1, scene.chains);
    const Eigen::MatrixXd forth = jvp(layer, there.tape, scene.v);
    const Eigen::MatrixXd back = vjp(layer, there.tape, scene.w, none);
    const Eigen::RowVectorXd scale =
        scene.w.colwise().norm().array() * forth.colwise().norm().array() + 1e-3;
    EXPECT_LE(
        test::largest_deviation(cosines(scene.w, forth, scale), cosines(back, scene.v, scale)),
        scene.amplified_rounding());
  });
}

TEST_P(LayerContract, InverseJvpAndInverseVjpAreAdjoint) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Recorded<T> there = forward(layer, scene.z);
    const Eigen::MatrixXd none = Eigen::MatrixXd::Zero(1, scene.chains);
    const Eigen::MatrixXd forth = inverse_jvp(layer, there.tape, scene.v);
    const Eigen::MatrixXd back = inverse_vjp(layer, there.tape, scene.w, none);
    const Eigen::RowVectorXd scale =
        scene.w.colwise().norm().array() * forth.colwise().norm().array() + 1e-3;
    EXPECT_LE(
        test::largest_deviation(cosines(scene.w, forth, scale), cosines(back, scene.v, scale)),
        scene.amplified_rounding());
  });
}

TEST_P(LayerContract, InverseProductsAreInverses) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Tape<T> tape = forward(layer, scene.z).tape;
    const Eigen::MatrixXd none = Eigen::MatrixXd::Zero(1, scene.chains);
    const double tolerance = scene.amplified_rounding();
    const Eigen::MatrixXd v = scene.v;
    const Eigen::MatrixXd w = scene.w;
    EXPECT_LE(test::largest_deviation(jvp(layer, tape, inverse_jvp(layer, tape, v)), v), tolerance);
    EXPECT_LE(test::largest_deviation(inverse_jvp(layer, tape, jvp(layer, tape, v)), v), tolerance);
    EXPECT_LE(test::largest_deviation(vjp(layer, tape, inverse_vjp(layer, tape, w, none), none), w),
              tolerance);
    EXPECT_LE(test::largest_deviation(inverse_vjp(layer, tape, vjp(layer, tape, w, none), none), w),
              tolerance);
  });
}

TEST_P(LayerContract, PointsReachedByInverseHaveTheProductsOfThoseReachedByForward) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Recorded<T> there = forward(layer, scene.z);
    const Recorded<T> back = inverse(layer, test::to_matrix(there.image));
    const Eigen::MatrixXd expected =
        products(layer, there.tape, scene.v, scene.w, scene.log_det_bar);
    const Eigen::MatrixXd found = products(layer, back.tape, scene.v, scene.w, scene.log_det_bar);
    // The two points differ by an amplified rounding, which curvature amplifies once more.
    EXPECT_LE(test::largest_deviation(found, expected), 32.0 * scene.amplified_rounding());
  });
}

TEST_P(LayerContract, AColumnHasTheSameBitsAloneAndAnywhereInABatch) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Eigen::MatrixXd together = everything(scene, all_columns(scene.chains));
    std::vector<Index> reversed = all_columns(scene.chains);
    std::reverse(reversed.begin(), reversed.end());
    const Eigen::MatrixXd elsewhere = everything(scene, reversed);
    EXPECT_EQ(test::differing_bits(elsewhere, together(Eigen::all, reversed)), 0);
    // Another width, and another lane of another vector.
    std::vector<Index> shifted(37, 0);
    shifted.push_back(scene.chains - 1);
    const Eigen::MatrixXd wider = everything(scene, shifted);
    EXPECT_EQ(test::differing_bits(wider.col(37), together.col(scene.chains - 1)), 0);
    Index compared = 0;
    for (Index c = 0; c < scene.chains; ++c, ++compared) {
      EXPECT_EQ(test::differing_bits(everything(scene, {c}), together.col(c)), 0) << c;
    }
    EXPECT_EQ(compared, scene.chains);
  });
}

TEST_P(LayerContract, ANonFiniteColumnDoesNotTouchTheOthers) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Eigen::MatrixXd clean = everything(scene, all_columns(scene.chains));
    const Index lost = scene.chains / 2;
    int tested = 0;
    for (const double poison : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      Scene<T> poisoned(GetParam(), scene.chains);
      poisoned.z.col(lost).setConstant(poison);
      poisoned.x.col(lost).setConstant(poison);
      poisoned.v.col(lost).setConstant(poison);
      poisoned.w.col(lost).setConstant(poison);
      poisoned.log_det_bar(0, lost) = poison;
      const Eigen::MatrixXd found = everything(poisoned, all_columns(scene.chains));
      Index spared = 0;
      for (Index c = 0; c < scene.chains; ++c) {
        if (c == lost) continue;
        EXPECT_EQ(test::differing_bits(found.col(c), clean.col(c)), 0) << poison << " to " << c;
        ++spared;
      }
      EXPECT_EQ(spared, scene.chains - 1);
      ++tested;
    }
    EXPECT_EQ(tested, 3);
  });
}

TEST_P(LayerContract, NaNComesOutWhereNaNWentIn) {
  holds([]<typename T>(const Scene<T>& scene) {
    Eigen::MatrixXd z = scene.z;
    z.col(0).setConstant(std::nan(""));
    const Recorded<T> there = forward(*scene.layer, z);
    EXPECT_TRUE(test::to_matrix(there.image).col(0).array().isNaN().all());
    const Recorded<T> back = inverse(*scene.layer, z);
    EXPECT_TRUE(test::to_matrix(back.image).col(0).array().isNaN().all());
  });
}

TEST_P(LayerContract, NoOperationAllocates) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    Recorded<T> point = forward(layer, scene.z);
    Batch<T> image = test::to_batch<T>(scene.z);
    Batch<T> v = test::to_batch<T>(scene.v);
    Batch<T> w = test::to_batch<T>(scene.w);
    const Batch<T> bar = test::to_batch<T>(scene.log_det_bar);
    const std::uint64_t before = test::allocations();
    layer.forward(image, point.log_det, point.tape);
    layer.jvp(point.tape, v);
    layer.vjp(point.tape, w, bar);
    layer.inverse_jvp(point.tape, v);
    layer.inverse_vjp(point.tape, w, bar);
    layer.inverse(image, point.log_det, point.tape);
    EXPECT_EQ(test::allocations(), before);
  });
}

TEST_P(LayerContract, ASelectedTapeHasTheProductsOfItsColumnsOwnPoints) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Eigen::MatrixXd other_z = scene.z.rowwise().reverse();
    Recorded<T> one = forward(layer, scene.z);
    const Recorded<T> other = forward(layer, other_z);
    const auto products_at = [&](const Tape<T>& tape) {
      return products(layer, tape, scene.v, scene.w, scene.log_det_bar);
    };
    const Eigen::MatrixXd kept = products_at(one.tape);
    const Eigen::MatrixXd taken = products_at(other.tape);
    ColumnMask mask(scene.chains);
    for (Index c = 0; c < scene.chains; ++c) mask.set(c, c % 3 == 1);
    one.tape.select(mask, other.tape);
    const Eigen::MatrixXd found = products_at(one.tape);
    Index compared = 0;
    for (Index c = 0; c < scene.chains; ++c, ++compared) {
      const Eigen::MatrixXd& expected = mask[c] ? taken : kept;
      EXPECT_EQ(test::differing_bits(found.col(c), expected.col(c)), 0) << c;
    }
    EXPECT_EQ(compared, scene.chains);
  });
}

TEST_P(LayerContract, ProductsLeaveTheTapeAsItIs) {
  holds([]<typename T>(const Scene<T>& scene) {
    const Layer<T>& layer = *scene.layer;
    const Recorded<T> there = forward(layer, scene.z);
    const Eigen::MatrixXd first = products(layer, there.tape, scene.v, scene.w, scene.log_det_bar);
    const Eigen::MatrixXd second = products(layer, there.tape, scene.v, scene.w, scene.log_det_bar);
    EXPECT_EQ(test::differing_bits(first, second), 0);
  });
}

/// Whether a case has a layer of this type alone, in every dimension that the suite is about; a
/// squeeze in those that are images it can halve.
bool is_alone_in_every_dimension(std::string_view type, const std::vector<LayerCase>& cases) {
  std::vector<Index> dims = {1, 2, 3, 7, 64};
  if (type == "squeeze") dims = {4, 24, 64};
  return std::all_of(dims.begin(), dims.end(), [&](Index dim) {
    return std::any_of(cases.begin(), cases.end(), [&](const LayerCase& tested) {
      return tested.record.dim == dim && tested.record.layers.size() == 1 &&
             tested.record.layers.front().type == type;
    });
  });
}

TEST(LayerCases, CoverEveryLayerTypeThatFlowFilesMayHold) {
  std::vector<std::string> missing;
  const std::vector<LayerCase> cases = layer_cases();
  for (const std::string_view type : layer_types()) {
    const bool alone = is_alone_in_every_dimension(type, cases);
    const FlowRecord rich = test::rich_flow(5, 1);
    const bool composed = std::any_of(rich.layers.begin(), rich.layers.end(),
                                      [&](const LayerRecord& layer) { return layer.type == type; });
    if (!alone || !composed) missing.emplace_back(type);
  }
  EXPECT_FALSE(layer_types().empty());
  EXPECT_EQ(missing, std::vector<std::string>{});
}

}  // namespace
}  // namespace flotilla
