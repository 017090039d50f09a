// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::test {

// Layers and flows in memory, without files or training. Every parameter is exact in float. The
// same seed gives the same record.

/// The network of a coupling layer, hidden layers only.
struct ConditionerShape {
  std::vector<Index> widths;  ///< of the hidden layers; empty makes a linear map
  std::string activation = "tanh";
  double gain = 0.5;  ///< how strongly log scales and shifts depend on the input
};

/// An affine coupling with random parameters. leaky_relu has negative_slope 1/8 and elu has alpha
/// 3/4. These are not the defaults, so that a reader that ignores them is noticed.
///
/// @param mask  one entry per coordinate; 1: it passes unchanged and feeds the conditioner
LayerRecord random_coupling(const std::vector<int>& mask, const ConditionerShape& shape,
                            std::uint64_t seed);

/// The conditioner of a record: a program of operations, with arrays of random parameters.
struct Program {
  std::string network;        ///< as in flow files: "linear ( tanh linear ) linear"
  std::vector<Index> widths;  ///< outputs of each linear map except the last
  double gain = 0.5;          ///< how strongly the outputs depend on the inputs
};
void add_program(LayerRecord& layer, const Program& program, Index inputs, Index outputs,
                 std::uint64_t seed);

/// A coupling with any map. The caller gives its type, texts and numbers.
///
/// @param parameters  number per transformed coordinate
LayerRecord random_coupling_of(LayerRecord map, const std::vector<int>& mask,
                               const Program& program, Index parameters, std::uint64_t seed);

/// An autoregressive layer with any map, in a random order of the coordinates, with masks as in
/// MADE. Both ends of a residual connection must have equal widths.
LayerRecord random_autoregressive_of(LayerRecord map, Index dim, const Program& program,
                                     Index parameters, std::uint64_t seed);

/// The texts and numbers of a spline, for the given layer type.
LayerRecord spline_map(const std::string& type, Index bins, const std::string& tails,
                       const std::string& parameterization);

/// The same layer in the other direction.
LayerRecord inverted(LayerRecord layer);

/// Scales in [1/2, 3/2] with random signs, shifts in [-1, 1].
LayerRecord random_diagonal_affine(Index dim, std::uint64_t seed);
/// The same scale and shift for every coordinate.
LayerRecord constant_diagonal_affine(Index dim, double scale, double shift);
LayerRecord random_permutation(Index dim, std::uint64_t seed);
/// Factors near the identity; diagonal entries have either sign.
LayerRecord random_lu_linear(Index dim, std::uint64_t seed);
LayerRecord random_householder(Index dim, Index count, std::uint64_t seed);
/// A planar flow with w.u = overlap.
LayerRecord random_planar(Index dim, const std::string& activation, double overlap,
                          std::uint64_t seed);
/// A radial flow about a random centre. @param strength  beta / alpha, above -1
LayerRecord random_radial(Index dim, double strength, std::uint64_t seed);
/// A residual flow whose network has about this Lipschitz constant in each of its linear maps.
///
/// @param network  alternating linear maps and activations: "linear silu linear"
LayerRecord random_residual(Index dim, const Program& network, double constant, std::uint64_t seed);
/// A Sylvester flow whose determinants have factors 1 + overlap tanh'. @pre 1 <= units <= dim
LayerRecord random_sylvester(Index dim, Index units, double overlap, std::uint64_t seed);
/// A matrix near a multiple of the identity; the multiple has either sign.
LayerRecord random_linear(Index dim, std::uint64_t seed);
/// @param image  channels, rows, columns
LayerRecord squeeze_layer(const std::vector<Index>& image);
/// A coupling with any map on an image. Its conditioner is convolutional; widths are channels.
///
/// @param image    channels, rows, columns
/// @param mask     keeps whole channels, or the same pixels of every channel
/// @param kernels  rows and columns of each linear map's kernel
LayerRecord random_convolutional_coupling_of(LayerRecord map, const std::vector<Index>& image,
                                             const std::vector<int>& mask, const Program& program,
                                             const std::vector<std::pair<Index, Index>>& kernels,
                                             Index parameters, std::uint64_t seed);
/// The same layer at each of `pixels` pixels; and on the first coordinates only.
LayerRecord per_pixel(LayerRecord layer, Index pixels);
LayerRecord on_first(LayerRecord layer, Index coordinates);
/// A turn of every other coordinate, on circles from -2 to 2.
LayerRecord random_wrap(Index dim, std::uint64_t seed);
LayerRecord sigmoid_layer();
LayerRecord logit_layer();
/// @param slope  below zero; > 0
LayerRecord leaky_relu_layer(double slope);

FlowRecord flow_of(Index dim, std::vector<LayerRecord> layers);

/// x1 = z1, x2 = z2 exp(a z1), so l(z) = a z1. Tempered at beta, z1 ~ N(-beta a, 1) and z2 ~ N(0,
/// 1) are independent. Source: src/README.md, truths to test against.
FlowRecord shear_flow(double a);

/// x = scale * z + shift in every coordinate: a flow with constant log det.
FlowRecord diagonal_flow(Index dim, double scale, double shift);

/// `layers` couplings under alternating masks (even coordinates, odd coordinates, ...).
/// @pre dim >= 2
FlowRecord random_real_nvp(Index dim, Index layers, const ConditionerShape& shape,
                           std::uint64_t seed);

/// Affine couplings, permutations, diagonal maps, sigmoid and logit. Smooth, and defined on all of
/// R^dim. @pre dim >= 2
FlowRecord smooth_flow(Index dim, std::uint64_t seed);

/// Maps of coordinates that are curves, for couplings or for autoregressive layers, each with the
/// number of its parameters. @param kind  "coupling" or "autoregressive"
std::vector<std::pair<LayerRecord, Index>> curve_maps(const std::string& kind);

/// A coupling and an autoregressive layer of every curve, and the layer that bounds their inputs.
FlowRecord curved_flow(Index dim, std::uint64_t seed);

/// Every layer type but those of curved_flow() at least once: smooth_flow() and more. It contains
/// splines, which are only piecewise smooth. With four coordinates it contains layers for images
/// too. @pre dim >= 2
FlowRecord rich_flow(Index dim, std::uint64_t seed);

/// An array that a record must have, for tests that damage it.
Tensor& array_of(FlowRecord& record, std::size_t layer, const std::string& name);

/// A base density of each type except the standard normal, close enough to it for any test flow.
std::vector<LayerRecord> random_bases(Index dim, std::uint64_t seed);

}  // namespace flotilla::test
