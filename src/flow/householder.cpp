#include "flotilla/flow/householder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace flotilla {

template <typename T>
Householder<T>::Householder(const LayerReader& reader) : Layer<T>(reader.dim()) {
  reader.expect_only({"vectors"});
  const std::vector<Index>& shape = reader.shape("vectors");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != reader.dim()) {
    reader.fail(fmt::format("array 'vectors' should have shape [count x {}] but has [{}]",
                            reader.dim(), fmt::join(shape, " x ")));
  }
  count_ = shape[0];
  const std::vector<double>& values = reader.array("vectors", shape);
  for (Index k = 0; k < count_; ++k) {
    const auto row = values.begin() + k * reader.dim();
    double square = 0.0;
    for (Index i = 0; i < reader.dim(); ++i) square += row[i] * row[i];
    const double scale = std::sqrt(2.0 / square);
    if (!std::isfinite(scale) || scale == 0.0) {
      reader.fail(
          fmt::format("array 'vectors' has a row of length {} at {}", std::sqrt(square), k));
    }
    for (Index i = 0; i < reader.dim(); ++i) vectors_.push_back(static_cast<T>(scale * row[i]));
  }
}

template <typename T>
void Householder<T>::reflect(Index k, const Tape<T>& tape, Batch<T>& rows) const {
  const T* vector = vectors_.data() + k * this->dim();
  T* overlap = tape.scratch(0).row(0);
  std::fill_n(overlap, rows.stride(), T{0});
  for (Index i = 0; i < this->dim(); ++i) {
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) overlap[c] += vector[i] * row[c];
  }
  for (Index i = 0; i < this->dim(); ++i) {
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) row[c] -= vector[i] * overlap[c];
  }
}

template <typename T>
void Householder<T>::rotate(const Tape<T>& tape, Batch<T>& rows) const {
  for (Index k = 0; k < count_; ++k) reflect(k, tape, rows);
}

template <typename T>
void Householder<T>::rotate_back(const Tape<T>& tape, Batch<T>& rows) const {
  for (Index k = count_ - 1; k >= 0; --k) reflect(k, tape, rows);
}

template <typename T>
void Householder<T>::forward(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& tape) const {
  rotate(tape, point);
}

template <typename T>
void Householder<T>::inverse(Batch<T>& point, PerChain& /*log_det*/, Tape<T>& tape) const {
  rotate_back(tape, point);
}

template <typename T>
void Householder<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  rotate(tape, v);
}

template <typename T>
void Householder<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& /*log_det_bar*/) const {
  rotate_back(tape, w);
}

template <typename T>
void Householder<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  rotate_back(tape, v);
}

template <typename T>
void Householder<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                 const Batch<T>& /*log_det_bar*/) const {
  rotate(tape, w);
}

template class Householder<float>;
template class Householder<double>;

}  // namespace flotilla
