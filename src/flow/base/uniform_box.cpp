// SPDX-License-Identifier: BSD-3-Clause
#include "flow/base/uniform_box.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/elementary.hpp"
#include "flow/coordinates/circle.hpp"

namespace flotilla {
namespace {

template <typename T>
std::vector<T> rounded(const std::vector<double>& values) {
  std::vector<T> result;
  result.reserve(values.size());
  for (const double value : values) result.push_back(static_cast<T>(value));
  return result;
}

}  // namespace

template <typename T>
UniformBox<T>::UniformBox(const LayerReader& reader)
    : Base<T>(reader.dim()),
      low_(rounded<T>(reader.array("low", {reader.dim()}))),
      high_(rounded<T>(reader.array("high", {reader.dim()}))),
      circular_(read_circular(reader)),
      bounded_(others(circular_, reader.dim())),
      log_density_(0.0) {
  const std::vector<double>& low = reader.array("low", {reader.dim()});
  const std::vector<double>& high = reader.array("high", {reader.dim()});
  for (std::size_t i = 0; i < low_.size(); ++i) {
    const T width = high_[i] - low_[i];
    if (!(width > T{0} && width <= std::numeric_limits<T>::max())) {
      reader.fail(fmt::format("array 'high' should be above 'low' but coordinate {} has {} and {}",
                              i, high[i], low[i]));
    }
    log_density_ -= elementary::log_of_any(high[i] - low[i]);
  }
  reader.expect_only({"low", "high", "circular"});
}

template <typename T>
void UniformBox<T>::add_log_density(const Batch<T>& z, double sign, PerChain& out) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double* value = out.row(0);
  for (Index c = 0; c < z.stride(); ++c) value[c] += sign * log_density_;
  for (const Index i : bounded_) {
    const T* row = z.row(i);
    const T low = low_[static_cast<std::size_t>(i)];
    const T high = high_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < z.stride(); ++c) {
      const bool inside = row[c] >= low && row[c] <= high;
      value[c] = inside ? value[c] : -sign * kInfinity;
    }
  }
  for (const Index i : circular_) require_finite(z.row(i), sign, out);
}

template <typename T>
void UniformBox<T>::score(const Batch<T>& /*z*/, Batch<T>& out) const {
  out.fill(T{0});
}

template <typename T>
void UniformBox<T>::sample(const Random& random, Purpose purpose, std::uint64_t step,
                           std::uint64_t first_chain, const ColumnMask& mask, Batch<T>& out) const {
  random.uniforms(purpose, step, first_chain, mask, out);
  const T* take = mask.row<T>();
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = out.row(i);
    const T low = low_[static_cast<std::size_t>(i)];
    const T high = high_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < out.stride(); ++c) {
      const T moved = std::clamp(low + (high - low) * row[c], low, high);
      row[c] = take[c] != T{} ? moved : row[c];
    }
  }
}

template <typename T>
std::vector<Circle> UniformBox<T>::circles() const {
  std::vector<Circle> circles = Base<T>::circles();
  for (const Index i : circular_) {
    const auto k = static_cast<std::size_t>(i);
    const auto low = static_cast<double>(low_[k]);
    circles[k] = {low, static_cast<double>(high_[k]) - low};
  }
  return circles;
}

template class UniformBox<float>;
template class UniformBox<double>;

}  // namespace flotilla
