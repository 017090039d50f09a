// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flow/linear/constant_jacobian.hpp"

namespace flotilla {

/// x = scale * z + shift for each coordinate, or for each channel of an image. It serves as
/// standardisation and as ActNorm. Source: Kingma & Dhariwal 2018, arXiv:1807.03039.
template <typename T>
class DiagonalAffine final : public ConstantJacobian<T> {
 public:
  static constexpr std::string_view kType = "diagonal_affine";

  /// @throws InputError if `scale` or `shift` does not fit, or a scale is zero
  explicit DiagonalAffine(const LayerReader& reader);

  std::string_view type() const override { return kType; }

 private:
  std::vector<Index> scratch_rows() const override { return {}; }
  Index channel_multiply_adds() const override { return 0; }

  void apply(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve(const Tape<T>& tape, Batch<T>& rows) const override;
  void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const override;

  void multiply(Batch<T>& rows) const;
  void divide(Batch<T>& rows) const;

  std::vector<T> scale_;
};

}  // namespace flotilla
