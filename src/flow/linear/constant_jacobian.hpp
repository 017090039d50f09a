// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/layer.hpp"
#include "flotilla/flow/record.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// Shared by linear layers: x = A z + b, with the same constant A and b at each of `pixels` pixels.
///
/// The dim coordinates are dim / pixels channels of `pixels` pixels, channel by channel. One pixel
/// is the plain case. A derived class applies A to all columns of a batch. Folding the batch makes
/// every pixel of every chain a column.
template <typename T>
class ConstantJacobian : public Layer<T> {
 public:
  TapeShape tape_shape() const override;
  Index multiply_adds() const override { return pixels_ * channel_multiply_adds(); }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  void jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;
  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override;
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override;

 protected:
  /// Reads `pixels`. @throws InputError if it does not divide the dimension
  explicit ConstantJacobian(const LayerReader& reader);

  /// Number of channels: rows of A.
  Index channels() const { return this->dim() / pixels_; }
  /// The first `count` rows of a scratch slot, folded like the rows that an operation works on.
  Batch<T> scratch(const Tape<T>& tape, std::size_t slot, Index count) const {
    return tape.scratch(slot).top(count * pixels_).folded(count);
  }

  /// rows <- matrix rows. Uses scratch slot 0, of channels() rows.
  void multiply_by(const PackedMatrix<T>& matrix, const Tape<T>& tape, Batch<T>& rows) const;

  /// b [channels]; zero if it is not set.
  void set_shift(const std::vector<double>& shift);
  /// log|det A|; zero if it is not set.
  void set_log_det(double log_det) { log_det_ = static_cast<double>(pixels_) * log_det; }

 private:
  /// Rows of each scratch slot that the operations below use.
  virtual std::vector<Index> scratch_rows() const = 0;
  virtual Index channel_multiply_adds() const = 0;

  /// rows <- A rows, A^-1 rows, A^T rows, A^-T rows; rows is [channels x columns].
  virtual void apply(const Tape<T>& tape, Batch<T>& rows) const = 0;
  virtual void solve(const Tape<T>& tape, Batch<T>& rows) const = 0;
  virtual void apply_transposed(const Tape<T>& tape, Batch<T>& rows) const = 0;
  virtual void solve_transposed(const Tape<T>& tape, Batch<T>& rows) const = 0;

  void add_shift(T sign, Batch<T>& rows) const;

  Index pixels_;
  std::vector<T> shift_;
  double log_det_ = 0.0;
};

}  // namespace flotilla
