// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flow/linear/constant_jacobian.hpp"

namespace flotilla {

/// Shared by permutation and squeeze: a reordering x[i] = z[indices[i]] of coordinates, or of the
/// channels of an image. Its log det is zero.
template <typename T>
class Reordering : public ConstantJacobian<T> {
 protected:
  /// @param indices  [channels], a permutation
  Reordering(const LayerReader& reader, std::vector<Index> indices);

 private:
  std::vector<Index> scratch_rows() const override { return {this->channels()}; }
  Index channel_multiply_adds() const override { return 0; }

  void apply(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve(const Tape<T>& tape, Batch<T>& rows) const override;
  void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const override;
  void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const override;

  std::vector<Index> indices_;
};

/// Any reordering, given by its indices.
template <typename T>
class Permutation final : public Reordering<T> {
 public:
  static constexpr std::string_view kType = "permutation";

  /// @throws InputError if `indices` is not a permutation of 0 .. channels - 1
  explicit Permutation(const LayerReader& reader);

  std::string_view type() const override { return kType; }
};

/// Turns every 2 x 2 block of an image's pixels into four channels of one pixel. Channel 4 c + 2 i
/// + j of x holds row i, column j of the blocks of channel c of z. Source: Dinh, Sohl-Dickstein,
/// Bengio 2017, arXiv:1605.08803, section 3.6.
template <typename T>
class Squeeze final : public Reordering<T> {
 public:
  static constexpr std::string_view kType = "squeeze";

  /// @throws InputError if `image`, the shape of z, does not fit or cannot be halved
  explicit Squeeze(const LayerReader& reader);

  std::string_view type() const override { return kType; }
};

}  // namespace flotilla
