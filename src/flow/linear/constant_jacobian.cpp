// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/constant_jacobian.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

void add(double value, PerChain& per_chain) {
  double* total = per_chain.row(0);
  for (Index c = 0; c < per_chain.stride(); ++c) total[c] += value;
}

}  // namespace

template <typename T>
ConstantJacobian<T>::ConstantJacobian(const LayerReader& reader)
    : Layer<T>(reader.dim()), pixels_(reader.count_or("pixels", 1)) {
  if (reader.dim() % pixels_ != 0) {
    reader.fail(fmt::format("number 'pixels' should divide the {} coordinates but is {}",
                            reader.dim(), pixels_));
  }
}

template <typename T>
TapeShape ConstantJacobian<T>::tape_shape() const {
  TapeShape shape;
  shape.scratch = scratch_rows();
  for (Index& rows : shape.scratch) rows *= pixels_;
  return shape;
}

template <typename T>
void ConstantJacobian<T>::set_shift(const std::vector<double>& shift) {
  shift_.assign(shift.begin(), shift.end());
}

template <typename T>
void ConstantJacobian<T>::multiply_by(const PackedMatrix<T>& matrix, const Tape<T>& tape,
                                      Batch<T>& rows) const {
  Batch<T> image = scratch(tape, 0, rows.dim());
  multiply(matrix, rows, 0, image, 0, [](Index /*row*/) {});
  std::copy_n(image.row(0), rows.dim() * rows.stride(), rows.row(0));
}

template <typename T>
void ConstantJacobian<T>::add_shift(T sign, Batch<T>& rows) const {
  for (std::size_t i = 0; i < shift_.size(); ++i) {
    T* row = rows.row(static_cast<Index>(i));
    const T shift = sign * shift_[i];
    for (Index c = 0; c < rows.stride(); ++c) row[c] += shift;
  }
}

template <typename T>
void ConstantJacobian<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T> rows = point.folded(channels());
  apply(tape, rows);
  add_shift(T{1}, rows);
  add(log_det_, log_det);
}

template <typename T>
void ConstantJacobian<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T> rows = point.folded(channels());
  add_shift(T{-1}, rows);
  solve(tape, rows);
  add(log_det_, log_det);
}

template <typename T>
void ConstantJacobian<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T> rows = v.folded(channels());
  apply(tape, rows);
}

template <typename T>
void ConstantJacobian<T>::vjp(const Tape<T>& tape, Batch<T>& w,
                              const Batch<T>& /*log_det_bar*/) const {
  Batch<T> rows = w.folded(channels());
  apply_transposed(tape, rows);
}

template <typename T>
void ConstantJacobian<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T> rows = v.folded(channels());
  solve(tape, rows);
}

template <typename T>
void ConstantJacobian<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                      const Batch<T>& /*log_det_bar*/) const {
  Batch<T> rows = w.folded(channels());
  solve_transposed(tape, rows);
}

template class ConstantJacobian<float>;
template class ConstantJacobian<double>;

}  // namespace flotilla
