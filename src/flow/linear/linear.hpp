// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flow/linear/constant_jacobian.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// x = W z + bias for any invertible matrix W. At each pixel of an image it is Glow's invertible 1
/// x 1 convolution.
///
/// The inverse matrix is computed once, in double precision, when the flow is built. Every
/// operation is then one product. W is small (the channels of an image) or was learnt without
/// factors. Source: Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.2.
template <typename T>
class Linear final : public ConstantJacobian<T> {
 public:
  static constexpr std::string_view kType = "linear";

  /// @throws InputError if `weight` or `bias` does not fit, or `weight` is singular
  explicit Linear(const LayerReader& reader);

  std::string_view type() const override { return kType; }

 private:
  std::vector<Index> scratch_rows() const override { return {this->channels()}; }
  Index channel_multiply_adds() const override { return this->channels() * this->channels(); }

  void apply(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve(const Tape<T>& tape, Batch<T>& rows) const override;
  void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const override;

  PackedPair<T> weight_;
  PackedPair<T> inverse_;
};

}  // namespace flotilla
