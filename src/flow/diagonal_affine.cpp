#include "flotilla/flow/diagonal_affine.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

template <typename T>
std::vector<T> read(const LayerReader& reader, const std::string& name) {
  const std::vector<double>& values = reader.array(name, {reader.dim()});
  return std::vector<T>(values.begin(), values.end());
}

void add(double value, PerChain& per_chain) {
  double* total = per_chain.row(0);
  for (Index c = 0; c < per_chain.stride(); ++c) total[c] += value;
}

}  // namespace

template <typename T>
DiagonalAffine<T>::DiagonalAffine(const LayerReader& reader)
    : Layer<T>(reader.dim()), scale_(read<T>(reader, "scale")), shift_(read<T>(reader, "shift")) {
  reader.expect_only({"scale", "shift"});
  for (std::size_t i = 0; i < scale_.size(); ++i) {
    if (scale_[i] == T{0}) reader.fail(fmt::format("array 'scale' is zero at element {}", i));
    log_det_ += elementary::log_of_any(std::abs(static_cast<double>(scale_[i])));
  }
}

template <typename T>
void DiagonalAffine<T>::multiply(Batch<T>& rows) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = rows.row(i);
    const T scale = scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) row[c] *= scale;
  }
}

template <typename T>
void DiagonalAffine<T>::divide(Batch<T>& rows) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = rows.row(i);
    const T scale = scale_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) row[c] /= scale;
  }
}

template <typename T>
void DiagonalAffine<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& /*tape*/) const {
  multiply(point);
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const T shift = shift_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) row[c] += shift;
  }
  add(log_det_, log_det);
}

template <typename T>
void DiagonalAffine<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& /*tape*/) const {
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = point.row(i);
    const T shift = shift_[static_cast<std::size_t>(i)];
    for (Index c = 0; c < point.stride(); ++c) row[c] -= shift;
  }
  divide(point);
  add(log_det_, log_det);
}

template <typename T>
void DiagonalAffine<T>::jvp(const Tape<T>& /*tape*/, Batch<T>& v) const {
  multiply(v);
}

template <typename T>
void DiagonalAffine<T>::vjp(const Tape<T>& /*tape*/, Batch<T>& w,
                            const Batch<T>& /*log_det_bar*/) const {
  multiply(w);
}

template <typename T>
void DiagonalAffine<T>::inverse_jvp(const Tape<T>& /*tape*/, Batch<T>& v) const {
  divide(v);
}

template <typename T>
void DiagonalAffine<T>::inverse_vjp(const Tape<T>& /*tape*/, Batch<T>& w,
                                    const Batch<T>& /*log_det_bar*/) const {
  divide(w);
}

template class DiagonalAffine<float>;
template class DiagonalAffine<double>;

}  // namespace flotilla
