// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <array>

#include "flotilla/flow/flow.hpp"
#include "flow/coordinates/additive_map.hpp"
#include "flow/coordinates/affine_map.hpp"
#include "flow/coordinates/spline_map.hpp"
#include "flow/curves/curve_map.hpp"
#include "flow/curves/network_curves.hpp"
#include "flow/layers/autoregressive.hpp"
#include "flow/layers/coupling.hpp"
#include "flow/layers/elementwise.hpp"
#include "flow/layers/first.hpp"
#include "flow/layers/inverted.hpp"
#include "flow/layers/planar.hpp"
#include "flow/layers/pointwise.hpp"
#include "flow/layers/radial.hpp"
#include "flow/layers/residual.hpp"
#include "flow/layers/softclip.hpp"
#include "flow/layers/sylvester.hpp"
#include "flow/layers/wrap.hpp"
#include "flow/linear/diagonal_affine.hpp"
#include "flow/linear/householder.hpp"
#include "flow/linear/linear.hpp"
#include "flow/linear/lu_linear.hpp"
#include "flow/linear/permutation.hpp"
#include "flow/torchscript.hpp"
#include "flow/type_table.hpp"

namespace flotilla {
namespace {

/// All layer types that a flow file may name, one line each.
template <typename T>
constexpr std::array kLayerTypes = {
    type_row<Layer<T>, Autoregressive<T, AdditiveMap>>(),
    type_row<Layer<T>, Coupling<T, AdditiveMap>>(),
    type_row<Layer<T>, Autoregressive<T, AffineMap>>(),
    type_row<Layer<T>, Coupling<T, AffineMap>>(),
    type_row<Layer<T>, Autoregressive<T, BernsteinMap>>(),
    type_row<Layer<T>, Coupling<T, BernsteinMap>>(),
    type_row<Layer<T>, Autoregressive<T, CubicSplineMap>>(),
    type_row<Layer<T>, Coupling<T, CubicSplineMap>>(),
    type_row<Layer<T>, DiagonalAffine<T>>(),
    type_row<Layer<T>, Pointwise<T, Exponential>>(),
    type_row<Layer<T>, Autoregressive<T, GaussianizationMap>>(),
    type_row<Layer<T>, Coupling<T, GaussianizationMap>>(),
    type_row<Layer<T>, Householder<T>>(),
    type_row<Layer<T>, Autoregressive<T, IntegratedNetworkMap>>(),
    type_row<Layer<T>, Coupling<T, IntegratedNetworkMap>>(),
    type_row<Layer<T>, LeakyRelu<T>>(),
    type_row<Layer<T>, Linear<T>>(),
    type_row<Layer<T>, Autoregressive<T, LinearSplineMap>>(),
    type_row<Layer<T>, Coupling<T, LinearSplineMap>>(),
    type_row<Layer<T>, Pointwise<T, LogarithmicTangent>>(),
    type_row<Layer<T>, Logit<T>>(),
    type_row<Layer<T>, LuLinear<T>>(),
    type_row<Layer<T>, Autoregressive<T, MonotoneNetworkMap>>(),
    type_row<Layer<T>, Coupling<T, MonotoneNetworkMap>>(),
    type_row<Layer<T>, Permutation<T>>(),
    type_row<Layer<T>, Planar<T>>(),
    type_row<Layer<T>, Autoregressive<T, QuadraticSplineMap>>(),
    type_row<Layer<T>, Coupling<T, QuadraticSplineMap>>(),
    type_row<Layer<T>, Radial<T>>(),
    type_row<Layer<T>, Residual<T>>(),
    type_row<Layer<T>, Autoregressive<T, RationalLinearMap>>(),
    type_row<Layer<T>, Coupling<T, RationalLinearMap>>(),
    type_row<Layer<T>, Sigmoid<T>>(),
    type_row<Layer<T>, Softclip<T>>(),
    type_row<Layer<T>, Autoregressive<T, SplineMap>>(),
    type_row<Layer<T>, Coupling<T, SplineMap>>(),
    type_row<Layer<T>, Squeeze<T>>(),
    type_row<Layer<T>, Autoregressive<T, SumOfSquaresMap>>(),
    type_row<Layer<T>, Coupling<T, SumOfSquaresMap>>(),
    type_row<Layer<T>, Sylvester<T>>(),
    type_row<Layer<T>, Pointwise<T, HyperbolicTangent>>(),
    type_row<Layer<T>, Wrap<T>>(),
};

}  // namespace

template <typename T>
std::unique_ptr<Layer<T>> make_layer(const LayerRecord& record, std::size_t position, Index dim) {
  if (!record.module.empty()) return make_torchscript_layer<T>(record, dim);
  const std::string label = fmt::format("layer {} ({})", position, record.type);
  const Index coordinates = LayerReader(record, label, dim).count_or("coordinates", dim);
  const LayerReader reader(record, label, coordinates);
  const TypeRow<Layer<T>>& row = row_of(kLayerTypes<T>, reader, "layer type");
  const bool inverted = reader.choice("direction", {"forward", "inverse"}) == 1;
  std::unique_ptr<Layer<T>> layer = row.make(reader);
  if (inverted) layer = std::make_unique<Inverted<T>>(std::move(layer));
  if (coordinates < dim) layer = std::make_unique<First<T>>(dim, std::move(layer));
  return layer;
}

std::vector<std::string_view> layer_types() {
  return types_of(kLayerTypes<double>);
}

template std::unique_ptr<Layer<float>> make_layer(const LayerRecord&, std::size_t, Index);
template std::unique_ptr<Layer<double>> make_layer(const LayerRecord&, std::size_t, Index);

}  // namespace flotilla
