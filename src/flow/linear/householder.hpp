// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flow/linear/constant_jacobian.hpp"

namespace flotilla {

/// An orthogonal map as a product of reflections: x = H_n ... H_2 H_1 z, H_k = I - 2 v_k v_k^T /
/// |v_k|^2. The log det is zero. The inverse applies the reflections in reverse order. Source:
/// Tomczak & Welling 2016, arXiv:1611.09630.
template <typename T>
class Householder final : public ConstantJacobian<T> {
 public:
  static constexpr std::string_view kType = "householder";

  /// @throws InputError unless `vectors` is [n x dim], n >= 1, without zero rows
  explicit Householder(const LayerReader& reader);

  std::string_view type() const override { return kType; }

 private:
  std::vector<Index> scratch_rows() const override { return {1}; }
  Index channel_multiply_adds() const override { return 2 * count_ * this->channels(); }

  void apply(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve(const Tape<T>& tape, Batch<T>& rows) const override;
  void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const override;

  void reflect(Index k, const Tape<T>& tape, Batch<T>& rows) const;

  Index count_ = 0;
  std::vector<T> vectors_;  ///< of length sqrt(2), so that H = I - v v^T
};

}  // namespace flotilla
