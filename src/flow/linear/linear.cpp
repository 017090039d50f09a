// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/linear.hpp"

#include <fmt/format.h>

#include <Eigen/LU>
#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {

template <typename T>
Linear<T>::Linear(const LayerReader& reader) : ConstantJacobian<T>(reader) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  reader.expect_only({"weight", "bias", "pixels"});
  const Index channels = this->channels();
  const std::vector<double>& values = reader.array("weight", {channels, channels});
  this->set_shift(reader.array("bias", {channels}));

  const Eigen::PartialPivLU<Matrix> factors(
      Eigen::Map<const Matrix>(values.data(), channels, channels));
  // Beyond this condition the inverse has no correct digit left.
  constexpr double kSmallestReciprocalCondition = 1e-15;
  if (!(factors.rcond() > kSmallestReciprocalCondition)) {
    reader.fail(fmt::format("array 'weight' is singular: its reciprocal condition number is {:.1e}",
                            factors.rcond()));
  }
  const Matrix inverse = factors.inverse();
  const std::vector<double> inverted(inverse.data(), inverse.data() + inverse.size());
  weight_ = PackedPair<T>(channels, channels, values);
  inverse_ = PackedPair<T>(channels, channels, inverted);
  double log_det = 0.0;
  for (Index i = 0; i < channels; ++i) {
    log_det += elementary::log_of_any(std::abs(factors.matrixLU()(i, i)));
  }
  this->set_log_det(log_det);
}

template <typename T>
void Linear<T>::apply(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(weight_.matrix, tape, rows);
}

template <typename T>
void Linear<T>::solve(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(inverse_.matrix, tape, rows);
}

template <typename T>
void Linear<T>::apply_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(weight_.transpose, tape, rows);
}

template <typename T>
void Linear<T>::solve_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(inverse_.transpose, tape, rows);
}

template class Linear<float>;
template class Linear<double>;

}  // namespace flotilla
