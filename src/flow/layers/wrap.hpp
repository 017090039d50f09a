// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A turn of coordinates on circles: x = z + shift, taken back to [-bound, bound). Other
/// coordinates pass unchanged. J is the identity, and inverse() turns back in the same way.
template <typename T>
class Wrap final : public Layer<T> {
 public:
  static constexpr std::string_view kType = "wrap";

  /// Entries: `circular` [dim], 1 for a coordinate on a circle and 0 for another; `bound` [dim],
  /// positive; `shift` [dim].
  explicit Wrap(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  TapeShape tape_shape() const override { return {}; }
  Index multiply_adds() const override { return 0; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& /*tape*/, Batch<T>& /*v*/) const override {}
  void vjp(const Tape<T>& /*tape*/, Batch<T>& /*w*/,
           const Batch<T>& /*log_det_bar*/) const override {}
  void inverse_jvp(const Tape<T>& /*tape*/, Batch<T>& /*v*/) const override {}
  void inverse_vjp(const Tape<T>& /*tape*/, Batch<T>& /*w*/,
                   const Batch<T>& /*log_det_bar*/) const override {}

 private:
  void turn(double sign, Batch<T>& point) const;

  std::vector<Index> circular_;
  std::vector<double> bound_;
  std::vector<double> shift_;
};

}  // namespace flotilla
