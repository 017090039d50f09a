#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flow/layers/autoregressive.hpp"
#include "flow/layers/coupling.hpp"
#include "flow/layers/elementwise.hpp"
#include "flow/layers/first.hpp"
#include "flow/layers/inverted.hpp"
#include "flow/layers/planar.hpp"
#include "flow/layers/radial.hpp"
#include "flow/layers/sylvester.hpp"
#include "flow/linear/diagonal_affine.hpp"
#include "flow/linear/householder.hpp"
#include "flow/linear/linear.hpp"
#include "flow/linear/lu_linear.hpp"
#include "flow/linear/permutation.hpp"
#include "flow/torchscript.hpp"

namespace flotilla {
namespace {

template <typename T>
struct Entry {
  std::string_view type;
  std::unique_ptr<Layer<T>> (*make)(const LayerReader& reader);
};

template <typename T, template <typename> class Type>
constexpr Entry<T> entry() {
  return {Type<T>::kType, [](const LayerReader& reader) -> std::unique_ptr<Layer<T>> {
            return std::make_unique<Type<T>>(reader);
          }};
}

/// Every layer type that a flow file may name, one line each.
template <typename T>
constexpr std::array kRegistry = {
    entry<T, AdditiveAutoregressive>(),
    entry<T, AdditiveCoupling>(),
    entry<T, AffineAutoregressive>(),
    entry<T, AffineCoupling>(),
    entry<T, DiagonalAffine>(),
    entry<T, Householder>(),
    entry<T, Linear>(),
    entry<T, Logit>(),
    entry<T, LuLinear>(),
    entry<T, Permutation>(),
    entry<T, Planar>(),
    entry<T, Radial>(),
    entry<T, Sigmoid>(),
    entry<T, SplineAutoregressive>(),
    entry<T, SplineCoupling>(),
    entry<T, Squeeze>(),
    entry<T, Sylvester>(),
};

}  // namespace

template <typename T>
std::unique_ptr<Layer<T>> make_layer(const LayerRecord& record, std::size_t position, Index dim) {
  if (!record.module.empty()) return make_torchscript_layer<T>(record, dim);
  const std::string label = fmt::format("layer {} ({})", position, record.type);
  const Index coordinates = LayerReader(record, label, dim).count_or("coordinates", dim);
  const LayerReader reader(record, label, coordinates);
  for (const Entry<T>& entry : kRegistry<T>) {
    if (entry.type != record.type) continue;
    const bool inverted = reader.choice("direction", {"forward", "inverse"}) == 1;
    std::unique_ptr<Layer<T>> layer = entry.make(reader);
    if (inverted) layer = std::make_unique<Inverted<T>>(std::move(layer));
    if (coordinates < dim) layer = std::make_unique<First<T>>(dim, std::move(layer));
    return layer;
  }
  reader.fail(fmt::format("layer type '{}' is unknown (this version has: {})", record.type,
                          fmt::join(layer_types(), ", ")));
}

std::vector<std::string_view> layer_types() {
  std::vector<std::string_view> types;
  types.reserve(kRegistry<double>.size());
  for (const Entry<double>& entry : kRegistry<double>) types.push_back(entry.type);
  return types;
}

template std::unique_ptr<Layer<float>> make_layer(const LayerRecord&, std::size_t, Index);
template std::unique_ptr<Layer<double>> make_layer(const LayerRecord&, std::size_t, Index);

}  // namespace flotilla
