// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "flow/linear/constant_jacobian.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// A linear map by its factors: x = L U z + bias. L is lower triangular with unit diagonal, U upper
/// triangular. At each pixel of an image it is Glow's invertible 1 x 1 convolution.
///
/// Forward is one product with L U; the inverse is two triangular solves. The log det comes from
/// U's diagonal. Source: Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.2; Durkan et al. 2019,
/// arXiv:1906.04032.
template <typename T>
class LuLinear final : public ConstantJacobian<T> {
 public:
  static constexpr std::string_view kType = "lu_linear";

  /// @throws InputError if the factors are not triangular, or are singular
  explicit LuLinear(const LayerReader& reader);
  ~LuLinear() override;

  std::string_view type() const override { return kType; }

 private:
  struct Solvers;

  std::vector<Index> scratch_rows() const override;
  Index channel_multiply_adds() const override { return this->channels() * this->channels(); }

  void apply(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve(const Tape<T>& tape, Batch<T>& rows) const override;
  void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const override;

  PackedPair<T> product_;
  std::unique_ptr<const Solvers> solvers_;
};

}  // namespace flotilla
