// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/base.hpp"

#include <fmt/format.h>

#include <array>

#include "flow/base/circular_normal.hpp"
#include "flow/base/diagonal_normal.hpp"
#include "flow/base/gaussian_mixture.hpp"
#include "flow/base/standard_normal.hpp"
#include "flow/base/uniform_box.hpp"
#include "flow/type_table.hpp"

namespace flotilla {
namespace {

/// All base densities that a flow file may name, one line each.
template <typename T>
constexpr std::array kBaseTypes = {
    type_row<Base<T>, StandardNormal<T>>(),  type_row<Base<T>, DiagonalNormal<T>>(),
    type_row<Base<T>, GaussianMixture<T>>(), type_row<Base<T>, UniformBox<T>>(),
    type_row<Base<T>, CircularNormal<T>>(),
};

}  // namespace

template <typename T>
std::unique_ptr<Base<T>> make_base(const LayerRecord& record, Index dim) {
  const LayerReader reader(record, fmt::format("base density ({})", record.type), dim);
  if (reader.has_text("direction")) reader.fail("it has no direction: drop that attribute");
  return row_of(kBaseTypes<T>, reader, "base density").make(reader);
}

std::vector<std::string_view> base_types() {
  return types_of(kBaseTypes<double>);
}

template std::unique_ptr<Base<float>> make_base(const LayerRecord&, Index);
template std::unique_ptr<Base<double>> make_base(const LayerRecord&, Index);

}  // namespace flotilla
