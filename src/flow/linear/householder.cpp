// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/householder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace flotilla {

template <typename T>
Householder<T>::Householder(const LayerReader& reader) : ConstantJacobian<T>(reader) {
  reader.expect_only({"vectors", "pixels"});
  const Index channels = this->channels();
  const std::vector<Index>& shape = reader.shape("vectors");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != channels) {
    reader.fail(fmt::format("array 'vectors' should have shape [count x {}] but has [{}]", channels,
                            fmt::join(shape, " x ")));
  }
  count_ = shape[0];
  const std::vector<double>& values = reader.array("vectors", shape);
  for (Index k = 0; k < count_; ++k) {
    const auto row = values.begin() + k * channels;
    double square = 0.0;
    for (Index i = 0; i < channels; ++i) square += row[i] * row[i];
    const double scale = std::sqrt(2.0 / square);
    if (!std::isfinite(scale) || scale == 0.0) {
      reader.fail(
          fmt::format("array 'vectors' has a row of length {} at {}", std::sqrt(square), k));
    }
    for (Index i = 0; i < channels; ++i) vectors_.push_back(static_cast<T>(scale * row[i]));
  }
}

template <typename T>
void Householder<T>::reflect(Index k, const Tape<T>& tape, Batch<T>& rows) const {
  const T* vector = vectors_.data() + k * rows.dim();
  Batch<T> overlaps = this->scratch(tape, 0, 1);
  T* overlap = overlaps.row(0);
  std::fill_n(overlap, rows.stride(), T{0});
  for (Index i = 0; i < rows.dim(); ++i) {
    const T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) overlap[c] += vector[i] * row[c];
  }
  for (Index i = 0; i < rows.dim(); ++i) {
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) row[c] -= vector[i] * overlap[c];
  }
}

template <typename T>
void Householder<T>::apply(const Tape<T>& tape, Batch<T>& rows) const {
  for (Index k = 0; k < count_; ++k) reflect(k, tape, rows);
}

template <typename T>
void Householder<T>::solve(const Tape<T>& tape, Batch<T>& rows) const {
  for (Index k = count_ - 1; k >= 0; --k) reflect(k, tape, rows);
}

// The inverse of an orthogonal matrix is its transpose.
template <typename T>
void Householder<T>::apply_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  solve(tape, rows);
}

template <typename T>
void Householder<T>::solve_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  apply(tape, rows);
}

template class Householder<float>;
template class Householder<double>;

}  // namespace flotilla
