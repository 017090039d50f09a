// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "flow/layers/elementwise.hpp"

namespace flotilla {

/// x = z / (1 + |z / bound|): from R to (-bound, bound), with slope 1 at 0.
template <typename T>
class Softclip final : public Elementwise<T> {
 public:
  static constexpr std::string_view kType = "softclip";

  /// Entry: number `bound` > 0.
  explicit Softclip(const LayerReader& reader);

  std::string_view type() const override { return kType; }
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  /// A coordinate outside (-bound, bound) becomes NaN or infinite; that is not an error.
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  void record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const;

  T bound_;
};

}  // namespace flotilla
