// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "flotilla/flow/base.hpp"
#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A normalizing flow: a base density and a composition of layers. It is itself a layer.
///
/// x = f(z) = f_K(... f_1(z)). Immutable once built; safe to share between threads.
template <typename T>
class Flow final : public Layer<T> {
 public:
  /// Builds the base density and the layers of a record.
  /// @throws InputError naming the first one that is unknown or does not fit
  explicit Flow(const FlowRecord& record);

  std::string_view type() const override { return "flow"; }
  TapeShape tape_shape() const override;
  Index multiply_adds() const override;
  bool has_inverse() const override;

  const Base<T>& base() const { return *base_; }
  /// Number of layers.
  std::size_t depth() const { return layers_.size(); }
  /// A layer by its position in sampling order, from 0.
  const Layer<T>& layer(std::size_t position) const { return *layers_[position]; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 private:
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::unique_ptr<const Base<T>> base_;
};

/// Builds the layer of one record.
///
/// @param position  its number in the flow, from 0, for messages
/// @throws InputError if the type is unknown or the record does not fit it
template <typename T>
std::unique_ptr<Layer<T>> make_layer(const LayerRecord& record, std::size_t position, Index dim);

/// All layer types that flow files may hold.
std::vector<std::string_view> layer_types();

}  // namespace flotilla
