// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "flotilla/flow/layer.hpp"

namespace flotilla {

/// A layer on the first coordinates; the others pass unchanged.
///
/// A multi-scale flow needs nothing else if z is ordered [deepest level, ..., first level]. Each
/// level acts on its own coordinates and on those of all deeper levels, and joining levels moves
/// nothing. Source: Dinh, Sohl-Dickstein, Bengio 2017, arXiv:1605.08803, section 3.6.
template <typename T>
class First final : public Layer<T> {
 public:
  /// @param dim  of the whole point @pre layer->dim() <= dim
  First(Index dim, std::unique_ptr<Layer<T>> layer) : Layer<T>(dim), layer_(std::move(layer)) {}

  std::string_view type() const override { return layer_->type(); }
  TapeShape tape_shape() const override { return layer_->tape_shape(); }
  Index multiply_adds() const override { return layer_->multiply_adds(); }
  Directions directions() const override { return layer_->directions(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    Batch<T> part = first(point);
    layer_->forward(part, log_det, tape);
  }
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    Batch<T> part = first(point);
    layer_->inverse(part, log_det, tape);
  }
  void jvp(const Tape<T>& tape, Batch<T>& v) const override {
    Batch<T> part = first(v);
    layer_->jvp(tape, part);
  }
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    Batch<T> part = first(w);
    layer_->vjp(tape, part, log_det_bar);
  }
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override {
    Batch<T> part = first(v);
    layer_->inverse_jvp(tape, part);
  }
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    Batch<T> part = first(w);
    layer_->inverse_vjp(tape, part, log_det_bar);
  }

 private:
  Batch<T> first(Batch<T>& whole) const { return whole.top(layer_->dim()); }

  std::unique_ptr<Layer<T>> layer_;
};

}  // namespace flotilla
