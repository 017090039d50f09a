// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/diagonal_affine.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {

template <typename T>
DiagonalAffine<T>::DiagonalAffine(const LayerReader& reader) : ConstantJacobian<T>(reader) {
  reader.expect_only({"scale", "shift", "pixels"});
  const std::vector<double>& scale = reader.array("scale", {this->channels()});
  this->set_shift(reader.array("shift", {this->channels()}));
  scale_.assign(scale.begin(), scale.end());
  double log_det = 0.0;
  for (std::size_t i = 0; i < scale_.size(); ++i) {
    if (scale_[i] == T{0}) reader.fail(fmt::format("array 'scale' is zero at element {}", i));
    log_det += elementary::log_of_any(std::abs(static_cast<double>(scale_[i])));
  }
  this->set_log_det(log_det);
}

template <typename T>
void DiagonalAffine<T>::multiply(Batch<T>& rows) const {
  for (Index i = 0; i < rows.dim(); ++i) {
    T* row = rows.row(i);
    const T scale = scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) row[c] *= scale;
  }
}

template <typename T>
void DiagonalAffine<T>::divide(Batch<T>& rows) const {
  for (Index i = 0; i < rows.dim(); ++i) {
    T* row = rows.row(i);
    const T scale = scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) row[c] /= scale;
  }
}

template <typename T>
void DiagonalAffine<T>::apply(const Tape<T>& /*tape*/, Batch<T>& rows) const {
  multiply(rows);
}

template <typename T>
void DiagonalAffine<T>::solve(const Tape<T>& /*tape*/, Batch<T>& rows) const {
  divide(rows);
}

template <typename T>
void DiagonalAffine<T>::apply_transposed(const Tape<T>& /*tape*/, Batch<T>& rows) const {
  multiply(rows);
}

template <typename T>
void DiagonalAffine<T>::solve_transposed(const Tape<T>& /*tape*/, Batch<T>& rows) const {
  divide(rows);
}

template class DiagonalAffine<float>;
template class DiagonalAffine<double>;

}  // namespace flotilla
