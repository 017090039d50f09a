// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/inverted.hpp"

namespace flotilla {
namespace {

void negate(PerChain& log_det) {
  double* total = log_det.row(0);
  for (Index c = 0; c < log_det.stride(); ++c) total[c] = -total[c];
}

}  // namespace

template <typename T>
TapeShape Inverted<T>::tape_shape() const {
  TapeShape shape;
  shape.children = {layer_->tape_shape()};
  shape.scratch.assign(negated_slot_, 0);
  shape.scratch.push_back(1);
  return shape;
}

template <typename T>
const Batch<T>& Inverted<T>::negated(const Tape<T>& tape, const Batch<T>& log_det_bar) const {
  Batch<T>& result = tape.scratch(negated_slot_);
  const T* from = log_det_bar.row(0);
  T* to = result.row(0);
  for (Index c = 0; c < result.stride(); ++c) to[c] = -from[c];
  return result;
}

template <typename T>
void Inverted<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  negate(log_det);
  layer_->inverse(point, log_det, tape.child(0));
  negate(log_det);
}

template <typename T>
void Inverted<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  negate(log_det);
  layer_->forward(point, log_det, tape.child(0));
  negate(log_det);
}

template <typename T>
void Inverted<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  layer_->inverse_jvp(tape.child(0), v);
}

// Let J be the layer's Jacobian and l its log det at z. Then ours are J^-1 and -l. The gradient of
// our log det with respect to our argument x = g(z) is -J^-T grad_z l.
template <typename T>
void Inverted<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  layer_->inverse_vjp(tape.child(0), w, negated(tape, log_det_bar));
}

template <typename T>
void Inverted<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  layer_->jvp(tape.child(0), v);
}

template <typename T>
void Inverted<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  layer_->vjp(tape.child(0), w, negated(tape, log_det_bar));
}

template class Inverted<float>;
template class Inverted<double>;

}  // namespace flotilla
