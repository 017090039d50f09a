#include "flow/linear/linear.hpp"

#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flow/matrix/product.hpp"

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
  // Beyond this the inverse has no correct digit left.
  constexpr double kSmallestReciprocalCondition = 1e-15;
  if (!(factors.rcond() > kSmallestReciprocalCondition)) {
    reader.fail(fmt::format("array 'weight' is singular: its reciprocal condition number is {:.1e}",
                            factors.rcond()));
  }
  const Matrix inverse = factors.inverse();
  const std::vector<double> inverted(inverse.data(), inverse.data() + inverse.size());
  weight_ = PackedMatrix<T>(channels, channels, values);
  weight_transposed_ = PackedMatrix<T>(channels, channels, transposed(channels, channels, values));
  inverse_ = PackedMatrix<T>(channels, channels, inverted);
  inverse_transposed_ =
      PackedMatrix<T>(channels, channels, transposed(channels, channels, inverted));
  double log_det = 0.0;
  for (Index i = 0; i < channels; ++i) {
    log_det += elementary::log_of_any(std::abs(factors.matrixLU()(i, i)));
  }
  this->set_log_det(log_det);
}

template <typename T>
void Linear<T>::multiply_by(const PackedMatrix<T>& matrix, const Tape<T>& tape,
                            Batch<T>& rows) const {
  Batch<T> image = this->scratch(tape, 0, rows.dim());
  multiply(matrix, rows, 0, image, 0, [](Index /*row*/) {});
  std::copy_n(image.row(0), rows.dim() * rows.stride(), rows.row(0));
}

template <typename T>
void Linear<T>::apply(const Tape<T>& tape, Batch<T>& rows) const {
  multiply_by(weight_, tape, rows);
}

template <typename T>
void Linear<T>::solve(const Tape<T>& tape, Batch<T>& rows) const {
  multiply_by(inverse_, tape, rows);
}

template <typename T>
void Linear<T>::apply_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  multiply_by(weight_transposed_, tape, rows);
}

template <typename T>
void Linear<T>::solve_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  multiply_by(inverse_transposed_, tape, rows);
}

template class Linear<float>;
template class Linear<double>;

}  // namespace flotilla
