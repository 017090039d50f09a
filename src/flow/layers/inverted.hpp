// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "flotilla/flow/layer.hpp"

namespace flotilla {

/// A layer g used in the other direction: x = g^-1(z).
///
/// Libraries write some layers from data to latent space. `direction = "inverse"` in a flow file
/// makes an Inverted. A masked autoregressive flow in its sampling direction is an inverted inverse
/// autoregressive layer.
template <typename T>
class Inverted final : public Layer<T> {
 public:
  explicit Inverted(std::unique_ptr<Layer<T>> layer)
      : Layer<T>(layer->dim()),
        layer_(std::move(layer)),
        negated_slot_(layer_->tape_shape().scratch.size()) {}

  std::string_view type() const override { return layer_->type(); }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return layer_->multiply_adds(); }
  Directions directions() const override {
    const Directions its = layer_->directions();
    return {its.inverse, its.forward, its.inverse_products, its.products};
  }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  /// The layer's log det is minus ours, so its cotangent is minus ours.
  const Batch<T>& negated(const Tape<T>& tape, const Batch<T>& log_det_bar) const;

  std::unique_ptr<Layer<T>> layer_;
  std::size_t negated_slot_;  ///< after the layer's own scratch; both are in use at once
};

}  // namespace flotilla
