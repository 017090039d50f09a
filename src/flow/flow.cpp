// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/flow.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

template <typename T>
std::vector<std::unique_ptr<Layer<T>>> make_layers(const FlowRecord& record) {
  if (record.dim < 1) {
    throw InputError(fmt::format("a flow needs dim >= 1, but the record has {}", record.dim));
  }
  if (record.context_dim > 0) {
    throw InputError(fmt::format("the flow is conditional: fix its context of {} numbers first",
                                 record.context_dim));
  }
  std::vector<std::unique_ptr<Layer<T>>> layers;
  for (const LayerRecord& layer : record.layers) {
    layers.push_back(make_layer<T>(layer, layers.size(), record.dim));
  }
  return layers;
}

}  // namespace

template <typename T>
Flow<T>::Flow(const FlowRecord& record)
    : Layer<T>(record.dim),
      layers_(make_layers<T>(record)),
      base_(make_base<T>(record.base, record.dim)) {}

template <typename T>
TapeShape Flow<T>::tape_shape() const {
  TapeShape shape;
  for (const auto& layer : layers_) shape.children.push_back(layer->tape_shape());
  return shape;
}

template <typename T>
Index Flow<T>::multiply_adds() const {
  Index count = 0;
  for (const auto& layer : layers_) count += layer->multiply_adds();
  return count;
}

template <typename T>
bool Flow<T>::has_inverse() const {
  return std::all_of(layers_.begin(), layers_.end(),
                     [](const auto& layer) { return layer->has_inverse(); });
}

template <typename T>
void Flow<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  for (std::size_t k = 0; k < depth(); ++k) layers_[k]->forward(point, log_det, tape.child(k));
}

template <typename T>
void Flow<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  for (std::size_t k = depth(); k-- > 0;) layers_[k]->inverse(point, log_det, tape.child(k));
}

template <typename T>
void Flow<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  for (std::size_t k = 0; k < depth(); ++k) layers_[k]->jvp(tape.child(k), v);
}

template <typename T>
void Flow<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  for (std::size_t k = depth(); k-- > 0;) layers_[k]->vjp(tape.child(k), w, log_det_bar);
}

template <typename T>
void Flow<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  for (std::size_t k = depth(); k-- > 0;) layers_[k]->inverse_jvp(tape.child(k), v);
}

// J^-T grad l = sum_k (J_K ... J_k)^-T grad l_k. Each layer adds its share on the way from z to x,
// so no second pass is needed.
template <typename T>
void Flow<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  for (std::size_t k = 0; k < depth(); ++k) layers_[k]->inverse_vjp(tape.child(k), w, log_det_bar);
}

template class Flow<float>;
template class Flow<double>;

}  // namespace flotilla
