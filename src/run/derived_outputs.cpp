// SPDX-License-Identifier: BSD-3-Clause
#include "run/derived_outputs.hpp"

#include <algorithm>

namespace flotilla {
namespace {

constexpr Index kPoints = 256;  // at a time

}  // namespace

DerivedOutputs::DerivedOutputs(const Density* density) : density_(density) {
  if (density == nullptr || density->outputs().empty()) return;
  variables_ = derived_variables(density->outputs());
  values_.resize(variables_.size());
  outputs_.resize(density->outputs().size() * static_cast<std::size_t>(kPoints));
}

template <typename T>
const std::vector<std::vector<double>>& DerivedOutputs::of(const DrawBlock<T>& draws) {
  const Index all = variables_.empty() ? 0 : draws.chains() * draws.draws();
  points_.resize(static_cast<std::size_t>(std::min(all, kPoints) * draws.dim()));
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    values_[v].resize(static_cast<std::size_t>(all * variables_[v].size()));
  }
  for (Index first = 0; first < all; first += kPoints) {
    const Index count = std::min(kPoints, all - first);
    std::transform(draws.x.begin() + first * draws.dim(),
                   draws.x.begin() + (first + count) * draws.dim(), points_.begin(),
                   [](T value) { return static_cast<double>(value); });
    derive(draws.dim(), first, count);
  }
  return values_;
}

void DerivedOutputs::derive(Index dim, Index first, Index count) {
  density_->derive({count, dim, points_.data()}, outputs_.data());
  const auto width = static_cast<Index>(density_->outputs().size());
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    double* value = values_[v].data() + first * variables_[v].size();
    for (Index k = 0; k < count; ++k) {
      const double* outputs = outputs_.data() + k * width;
      for (const Index column : variables_[v].columns) *value++ = outputs[column];
    }
  }
}

template const std::vector<std::vector<double>>& DerivedOutputs::of(const DrawBlock<float>&);
template const std::vector<std::vector<double>>& DerivedOutputs::of(const DrawBlock<double>&);

}  // namespace flotilla
