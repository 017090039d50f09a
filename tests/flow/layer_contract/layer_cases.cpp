// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layer_contract/layer_cases.hpp"

#include <algorithm>
#include <utility>

#include "support/test_flows.hpp"

namespace flotilla::test {
namespace {

std::vector<int> alternating(Index dim) {
  std::vector<int> mask;
  for (Index i = 0; i < dim; ++i) mask.push_back(i % 2 == 0 && dim > 1 ? 1 : 0);
  return mask;
}

/// Every parameterisation of the affine map, with the numbers that it needs.
std::vector<std::pair<std::string, LayerRecord>> affine_maps(const std::string& type) {
  return {
      {"exp", {type, {}, {}, {}}},
      {"exp_before", {type, {{"shift", "before"}}, {}, {}}},
      {"sigmoid", {type, {{"scale", "sigmoid"}}, {{"offset", 1.5}, {"floor", 0.0625}}, {}}},
      {"reciprocal", {type, {{"scale", "reciprocal_sigmoid"}, {"shift", "before"}}, {}, {}}},
      {"tanh", {type, {{"scale", "tanh"}}, {{"bound", 0.75}}, {}}},
      {"softclip", {type, {{"scale", "softclip"}, {"shift", "before"}}, {{"bound", 2.0}}, {}}},
      {"softplus", {type, {{"scale", "softplus"}}, {{"offset", 0.5}, {"floor", 0.125}}, {}}},
      {"clamp_above",
       {type,
        {{"scale", "softplus"}},
        {{"offset", 0.5}, {"floor", 0.125}, {"ceiling", 1.125}},
        {}}},
      {"arctan", {type, {{"scale", "arctan"}}, {{"bound", 1.25}}, {}}},
      {"clamp", {type, {{"scale", "clamp"}}, {{"lowest", -0.25}, {"highest", 0.125}}, {}}},
  };
}

/// Residual flows of every activation, and of one linear map.
void add_residuals(std::vector<LayerCase>& all) {
  const auto add = [&](const std::string& name, const Program& network, bool kinked) {
    const LayerRecord layer = random_residual(4, network, 0.9, 56);
    all.push_back({"residual_" + name, flow_of(4, {layer}), false, kinked});
    all.push_back({"inverse_residual_" + name, flow_of(4, {inverted(layer)}), false, kinked});
  };
  for (const char* activation :
       {"tanh", "relu", "leaky_relu", "silu", "elu", "sigmoid", "softplus", "gelu"}) {
    const std::string name = activation;
    const bool kinked = name == "elu" || name.ends_with("relu");
    std::string network = "linear";
    for (int hidden = 0; hidden < 2; ++hidden) network.append(" ").append(name).append(" linear");
    add(name, {network, {8, 6}, 1.0}, kinked);
  }
  add("linear", {"linear", {}, 1.0}, false);
  for (const Index dim : {Index{1}, Index{2}, Index{3}, Index{7}, Index{16}}) {
    const Program network{"linear silu linear tanh linear", {dim + 3, 9}, 1.0};
    all.push_back({"residual_of_" + std::to_string(dim),
                   flow_of(dim, {random_residual(dim, network, 0.95, 55)})});
  }
}

/// Splines with every kind of end, in both parameterisations.
void add_splines(const Program& plain, std::vector<LayerCase>& all) {
  struct Ends {
    const char* tails;
    Index parameters;  ///< of five bins
  };
  for (const Ends& ends : {Ends{"linear", 14}, Ends{"circular", 15}, Ends{"free", 16}}) {
    for (const char* parameterization : {"softmax", "softclip"}) {
      const std::string name = std::string("_") + ends.tails + "_" + parameterization;
      const auto map = [&](const char* type) {
        return spline_map(type, 5, ends.tails, parameterization);
      };
      all.push_back({"spline_coupling" + name,
                     flow_of(5, {random_coupling_of(map("spline_coupling"), {1, 0, 0, 1, 0}, plain,
                                                    ends.parameters, 35)}),
                     false, true});
      all.push_back({"spline_autoregressive" + name,
                     flow_of(4, {random_autoregressive_of(map("spline_autoregressive"), 4, plain,
                                                          ends.parameters, 60)}),
                     false, true});
    }
  }
}

void add_functions(std::vector<LayerCase>& all) {
  for (const Index dim : {Index{1}, Index{2}, Index{3}, Index{7}, Index{64}}) {
    const std::string name = "_of_" + std::to_string(dim);
    // On the unit interval: beyond, they are too steep and too flat for the suite.
    for (const char* type : {"exp", "tanh"}) {
      all.push_back({type + name, flow_of(dim, {{type, {}, {}, {}}}), true});
    }
    all.push_back({"log_tanh" + name, flow_of(dim, {{"log_tanh", {}, {{"cut_point", 0.75}}, {}}}),
                   false, true});
  }
}

void add_maps_and_programs(std::vector<LayerCase>& all) {
  const Program plain{"linear silu linear", {9}, 0.4};
  for (const auto& [name, map] : affine_maps("affine_coupling")) {
    all.push_back({"affine_coupling_" + name,
                   flow_of(5, {random_coupling_of(map, {1, 0, 0, 1, 0}, plain, 2, 31)}), false,
                   name.starts_with("clamp")});
  }
  for (const auto& [name, map] : affine_maps("affine_autoregressive")) {
    all.push_back({"affine_autoregressive_" + name,
                   flow_of(4, {random_autoregressive_of(map, 4, plain, 2, 32)}), false,
                   name.starts_with("clamp")});
  }
  const std::vector<std::pair<std::string, std::string>> programs = {
      {"residual", "linear ( silu linear silu linear ) linear"},
      {"two_residuals", "linear ( tanh linear silu linear ) ( elu linear tanh linear ) linear"},
      {"normalised", "linear affine ( softplus linear affine sigmoid linear ) linear tanh"},
      {"sines", "linear sine ( silu linear sine gelu linear ) linear"},
      {"layer_normalised", "linear layer_norm silu linear ( layer_norm tanh linear ) linear"},
  };
  for (const auto& [name, network] : programs) {
    Program fitting{network, {}, 0.4};
    for (std::size_t at = 0; (at = network.find("linear", at + 1)) != std::string::npos;) {
      fitting.widths.push_back(8);  // every linear map after the first turns the one before it into
                                    // a hidden layer
    }
    all.push_back({"additive_coupling_" + name,
                   flow_of(5, {random_coupling_of({"additive_coupling", {}, {}, {}},
                                                  {1, 0, 1, 1, 0}, fitting, 1, 33)}),
                   false, name == "two_residuals"});
    if (name != "residual" && name != "two_residuals" && name != "sines") continue;
    all.push_back({"additive_autoregressive_" + name,
                   flow_of(5, {random_autoregressive_of({"additive_autoregressive", {}, {}, {}}, 5,
                                                        fitting, 1, 34)})});
  }
  add_splines(plain, all);
  for (const Index dim : {Index{1}, Index{2}, Index{3}, Index{7}, Index{64}}) {
    const Program wide{"linear tanh linear silu linear", {2 * dim, dim + 3}, 0.3};
    const std::string name = "_of_" + std::to_string(dim);
    all.push_back({"lu_linear" + name, flow_of(dim, {random_lu_linear(dim, 41)})});
    all.push_back({"linear" + name, flow_of(dim, {random_linear(dim, 54)})});
    all.push_back({"permutation" + name, flow_of(dim, {random_permutation(dim, 47)})});
    all.push_back({"diagonal_affine" + name, flow_of(dim, {random_diagonal_affine(dim, 48)})});
    all.push_back({"wrap" + name, flow_of(dim, {random_wrap(dim, 57)}), false, true});
    all.push_back(
        {"inverse_wrap" + name, flow_of(dim, {inverted(random_wrap(dim, 58))}), false, true});
    all.push_back({"sigmoid" + name, flow_of(dim, {sigmoid_layer()})});
    all.push_back({"logit" + name, flow_of(dim, {logit_layer()}), true});
    for (const double slope : {0.0625, 3.0}) {
      all.push_back({(slope < 1.0 ? "leaky_relu_shrinks" : "leaky_relu_stretches") + name,
                     flow_of(dim, {leaky_relu_layer(slope)}), false, true});
    }
    all.push_back({"additive_coupling" + name,
                   flow_of(dim, {random_coupling_of({"additive_coupling", {}, {}, {}},
                                                    alternating(dim), wide, 1, 49)})});
    all.push_back(
        {"spline_coupling" + name,
         flow_of(dim, {random_coupling_of(spline_map("spline_coupling", 3, "circular", "softmax"),
                                          alternating(dim), wide, 9, 50)}),
         false, true});
    all.push_back({"additive_autoregressive" + name,
                   flow_of(dim, {random_autoregressive_of({"additive_autoregressive", {}, {}, {}},
                                                          dim, wide, 1, 51)})});
    all.push_back({"affine_autoregressive" + name,
                   flow_of(dim, {random_autoregressive_of({"affine_autoregressive", {}, {}, {}},
                                                          dim, wide, 2, 52)})});
    all.push_back({"spline_autoregressive" + name,
                   flow_of(dim, {random_autoregressive_of(
                                    spline_map("spline_autoregressive", 3, "linear", "softclip"),
                                    dim, wide, 8, 53)}),
                   false, true});
    for (const double overlap : {-0.875, 0.5, 4.0}) {
      const std::string strength = overlap < 0.0 ? "_shrinks" : overlap > 1.0 ? "_stretches" : "";
      all.push_back(
          {"planar" + strength + name, flow_of(dim, {random_planar(dim, "tanh", overlap, 43)})});
      all.push_back({"planar_leaky" + strength + name,
                     flow_of(dim, {random_planar(dim, "leaky_relu", overlap, 44)}), false, true});
    }
    for (const double strength : {-0.75, 0.5, 8.0}) {
      const std::string kind = strength < 0.0 ? "_shrinks" : strength > 1.0 ? "_stretches" : "";
      all.push_back({"radial" + kind + name, flow_of(dim, {random_radial(dim, strength, 45)})});
    }
    for (const double overlap : {-0.75, 1.0}) {
      const std::string kind = overlap < 0.0 ? "_shrinks" : "_stretches";
      const Index units = std::min<Index>(dim, 20);
      all.push_back(
          {"sylvester" + kind + name, flow_of(dim, {random_sylvester(dim, units, overlap, 46)})});
    }
    all.push_back({"householder" + name, flow_of(dim, {random_householder(dim, 5, 42)})});
    all.push_back({"affine_coupling" + name,
                   flow_of(dim, {random_coupling_of({"affine_coupling", {}, {}, {}},
                                                    alternating(dim), wide, 2, 37)})});
    all.push_back({"inverse_affine_autoregressive" + name,
                   flow_of(dim, {inverted(random_autoregressive_of(
                                    {"affine_autoregressive", {}, {}, {}}, dim, wide, 2, 38))})});
    all.push_back({"inverse_spline_coupling" + name,
                   flow_of(dim, {inverted(random_coupling_of(
                                    spline_map("spline_coupling", 3, "linear", "softmax"),
                                    alternating(dim), wide, 8, 39))}),
                   false, true});
    all.push_back({"inverse_spline_autoregressive" + name,
                   flow_of(dim, {inverted(random_autoregressive_of(
                                    spline_map("spline_autoregressive", 3, "linear", "softmax"),
                                    dim, wide, 8, 40))}),
                   false, true});
  }
}

bool is_kinked(const LayerRecord& curve) {
  return !curve.type.starts_with("gaussianization") && !curve.type.starts_with("integrated") &&
         !curve.type.starts_with("sum_of_squares");
}

/// An autoregressive layer in which every coordinate has a network of its own.
LayerRecord network_of_each(Index dim) {
  const Program plain{"linear silu linear", {5}, 0.4};
  LayerRecord layer;
  for (const auto& [map, parameters] : curve_maps("autoregressive")) {
    if (!map.type.starts_with("monotone_network")) continue;
    layer = random_autoregressive_of(map, dim, plain, parameters, 87);
  }
  for (auto& [name, array] : layer.arrays) {
    if (!name.starts_with("curve_")) continue;
    const std::vector<double> one = array.values;
    array.values.clear();
    array.shape.insert(array.shape.begin(), dim);
    for (Index i = 0; i < dim; ++i) {
      const double scale = 1.0 + 0.25 * static_cast<double>(i);  // exact in float
      for (const double value : one) {
        array.values.push_back(static_cast<double>(static_cast<float>(scale * value)));
      }
    }
  }
  return layer;
}

/// The integral of 1 + elu(m).
LayerRecord integral_of_shifted_elu(Index dim) {
  LayerRecord layer;
  for (auto [map, parameters] : curve_maps("autoregressive")) {
    if (!map.type.starts_with("integrated_network")) continue;
    map.texts["integrand"] = "shifted_elu";
    layer = random_autoregressive_of(map, dim, {"linear silu linear", {5}, 0.4}, parameters, 89);
  }
  return layer;
}

/// Alone, in every dimension in which the suite wants curves; in two the other way round, but for
/// the gaussianization, whose inverse takes the longest.
void add_curves(std::vector<LayerCase>& all) {
  const Program plain{"linear silu linear", {5}, 0.4};
  for (const Index dim : {Index{1}, Index{2}, Index{3}}) {
    const std::string name = "_of_" + std::to_string(dim);
    for (const auto& [map, parameters] : curve_maps("coupling")) {
      const LayerRecord layer = random_coupling_of(map, alternating(dim), plain, parameters, 81);
      all.push_back({map.type + name, flow_of(dim, {layer}), false, is_kinked(map)});
    }
    for (const auto& [map, parameters] : curve_maps("autoregressive")) {
      const LayerRecord layer = random_autoregressive_of(map, dim, plain, parameters, 84);
      const bool turn = dim == 2 && !map.type.starts_with("gaussianization") &&
                        map.type.find("network") == std::string::npos;
      all.push_back(
          {map.type + name, flow_of(dim, {turn ? inverted(layer) : layer}), false, is_kinked(map)});
    }
  }
  for (const Index dim : {Index{1}, Index{2}, Index{3}, Index{7}, Index{64}}) {
    all.push_back({"softclip_of_" + std::to_string(dim),
                   flow_of(dim, {{"softclip", {}, {{"bound", 6.0}}, {}}}), false, true});
  }
  LayerRecord in_unit_interval = spline_map("spline_coupling", 3, "free", "softmax");
  in_unit_interval.numbers["bound"] = 0.5;
  in_unit_interval.numbers["centre"] = 0.5;
  all.push_back({"spline_coupling_in_unit_interval",
                 flow_of(3, {random_coupling_of(in_unit_interval, {1, 0, 0}, plain, 10, 88)}),
                 false, true});
  LayerRecord turned = spline_map("spline_coupling", 3, "linear", "softmax");
  turned.texts["turn"] = "half";
  turned.numbers["bound"] = 8.0;
  turned.numbers["tail_slope"] = 0.5;
  all.push_back({"spline_coupling_turned",
                 flow_of(3, {random_coupling_of(turned, {1, 0, 0}, plain, 8, 86)}), false, true});
  all.push_back({"curves", curved_flow(3, 15), false, true});
  all.push_back({"integrated_network_elu", flow_of(3, {integral_of_shifted_elu(3)}), false, true});
  all.push_back({"monotone_network_of_each", flow_of(3, {network_of_each(3)}), false, true});
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
  const Program glow{"linear silu linear silu linear", {9, 8}, 0.4};
  const std::vector<std::pair<Index, Index>> kernels = {{3, 3}, {1, 1}, {3, 3}};
  const Program residual{"linear ( silu linear affine tanh linear ) linear", {5, 5, 5}, 0.4};
  const std::vector<std::pair<Index, Index>> odd_kernels = {{3, 5}, {1, 3}, {3, 1}, {1, 1}};
  const LayerRecord affine{"affine_coupling", {}, {}, {}};
  const auto add = [&](const char* name, const LayerRecord& layer, bool kinked = false) {
    const Index dim = layer.arrays.at("mask").shape[0];
    all.push_back({name, flow_of(dim, {layer}), false, kinked});
  };
  add("convolutional_by_channel",
      random_convolutional_coupling_of(affine, {4, 3, 3}, channel_mask(4, 2, 9), glow, kernels, 2,
                                       61));
  add("convolutional_uneven_channels",
      random_convolutional_coupling_of(affine, {3, 2, 4}, channel_mask(3, 1, 8), glow, kernels, 2,
                                       62));
  add("convolutional_checkerboard",
      random_convolutional_coupling_of(affine, {1, 4, 5}, checkerboard_mask(1, 4, 5), glow, kernels,
                                       2, 63));
  add("convolutional_checkerboard_of_channels",
      random_convolutional_coupling_of(affine, {3, 3, 2}, checkerboard_mask(3, 3, 2), glow, kernels,
                                       2, 64));
  add("convolutional_residual",
      random_convolutional_coupling_of({"additive_coupling", {}, {}, {}}, {2, 3, 4},
                                       channel_mask(2, 1, 12), residual, odd_kernels, 1, 65));
  add("convolutional_spline",
      random_convolutional_coupling_of(spline_map("spline_coupling", 3, "linear", "softmax"),
                                       {2, 2, 3}, channel_mask(2, 1, 6), glow, kernels, 8, 66),
      true);
  add("convolutional_inverse",
      inverted(random_convolutional_coupling_of(affine, {2, 3, 3}, channel_mask(2, 1, 9), glow,
                                                kernels, 2, 67)));
  add("convolutional_kernel_larger_than_image",
      random_convolutional_coupling_of(affine, {2, 2, 1}, channel_mask(2, 1, 2),
                                       {"linear", {}, 0.4}, {{5, 3}}, 2, 68));
  const std::vector<std::pair<std::string, LayerRecord>> linear = {
      {"lu_linear", random_lu_linear(3, 71)},
      {"linear", random_linear(3, 72)},
      {"householder", random_householder(3, 2, 73)},
      {"permutation", random_permutation(3, 74)},
      {"diagonal_affine", random_diagonal_affine(3, 75)},
  };
  for (const auto& [name, layer] : linear) {
    all.push_back({name + "_per_pixel", flow_of(15, {per_pixel(layer, 5)})});
    all.push_back({name + "_on_first", flow_of(8, {on_first(layer, 3)})});
  }
  all.push_back(
      {"coupling_on_first", flow_of(7, {on_first(random_coupling({1, 0, 1, 0}, {{6}}, 76), 4)})});
  all.push_back({"squeeze_of_4", flow_of(4, {squeeze_layer({1, 2, 2})})});
  all.push_back({"squeeze_of_64", flow_of(64, {squeeze_layer({1, 8, 8})})});
  all.push_back({"squeeze_of_channels", flow_of(24, {squeeze_layer({3, 4, 2})})});
  // Two levels: half of the channels is split off; the others are squeezed and moved on their own.
  all.push_back(
      {"multi_scale",
       flow_of(16,
               {on_first(random_convolutional_coupling_of(affine, {8, 1, 1}, channel_mask(8, 4, 1),
                                                          glow, kernels, 2, 77),
                         8),
                on_first(random_linear(8, 78), 8), on_first(inverted(squeeze_layer({2, 2, 2})), 8),
                random_convolutional_coupling_of(affine, {4, 2, 2}, channel_mask(4, 2, 4), glow,
                                                 kernels, 2, 79),
                per_pixel(random_lu_linear(4, 80), 4), inverted(squeeze_layer({1, 4, 4}))})});
}

std::vector<LayerCase> make_cases() {
  std::vector<LayerCase> all;
  const std::vector<int> mixed = {1, 0, 0, 1, 0};
  for (const char* activation : {"tanh", "relu", "leaky_relu", "silu", "elu", "gelu"}) {
    const std::string name = activation;
    const bool kinked = name == "elu" || name.ends_with("relu");
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
  add_functions(all);
  add_residuals(all);
  add_curves(all);
  add_images(all);
  all.push_back({"diagonal_affine", flow_of(4, {random_diagonal_affine(4, 9)})});
  all.push_back({"diagonal_affine_of_one", flow_of(1, {random_diagonal_affine(1, 10)})});
  all.push_back({"permutation", flow_of(7, {random_permutation(7, 11)})});
  all.push_back({"permutation_of_one", flow_of(1, {random_permutation(1, 12)})});
  all.push_back({"sigmoid", flow_of(3, {sigmoid_layer()})});
  all.push_back({"sigmoid_of_one", flow_of(1, {sigmoid_layer()})});
  all.push_back({"logit", flow_of(3, {logit_layer()}), true});
  all.push_back({"shear", shear_flow(0.75)});
  all.push_back({"real_nvp", random_real_nvp(6, 4, {{10, 9}, "tanh", 0.4}, 13)});
  all.push_back({"rich", rich_flow(5, 14), false, true});  // it contains splines
  return all;
}

}  // namespace

void PrintTo(const LayerCase& tested, std::ostream* out) {
  *out << tested.name;
}

const std::vector<LayerCase>& layer_cases() {
  static const std::vector<LayerCase> cases = make_cases();
  return cases;
}

}  // namespace flotilla::test
