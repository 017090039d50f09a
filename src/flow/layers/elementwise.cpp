// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/elementwise.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

/// rows <- log(rows / (1 - rows)), NaN outside [0, 1].
template <typename T>
void apply_logit(Batch<T>& rows) {
  for (Index i = 0; i < rows.dim(); ++i) {
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      const auto value = static_cast<double>(row[c]);
      row[c] = static_cast<T>(elementary::log_of_any(value) - elementary::log1p(-value));
    }
  }
}

template <typename T>
void apply_sigmoid(Batch<T>& rows) {
  for (Index i = 0; i < rows.dim(); ++i) {
    T* row = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) row[c] = elementary::sigmoid(row[c]);
  }
}

/// log(sigmoid(y) (1 - sigmoid(y))) = -|y| - 2 log(1 + exp(-|y|)); finite for every finite y.
template <typename T>
double log_sigmoid_slope(T y) {
  const double magnitude = std::abs(static_cast<double>(y));
  return -magnitude - 2.0 * elementary::log1p(elementary::exp(-magnitude));
}

}  // namespace

template <typename T>
Elementwise<T>::Elementwise(const LayerReader& reader, const std::vector<std::string>& entries)
    : Layer<T>(reader.dim()) {
  reader.expect_only(entries);
}

template <typename T>
void Elementwise<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  for (Index i = 0; i < this->dim(); ++i) {
    const T* slope = tape.recorded(kSlope).row(i);
    T* row = v.row(i);
    for (Index c = 0; c < v.stride(); ++c) row[c] *= slope[c];
  }
}

template <typename T>
void Elementwise<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  const T* bar = log_det_bar.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* slope = tape.recorded(kSlope).row(i);
    const T* gradient = tape.recorded(kLogSlopeGradient).row(i);
    T* row = w.row(i);
    for (Index c = 0; c < w.stride(); ++c) row[c] = row[c] * slope[c] + bar[c] * gradient[c];
  }
}

template <typename T>
void Elementwise<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  for (Index i = 0; i < this->dim(); ++i) {
    const T* slope = tape.recorded(kSlope).row(i);
    T* row = v.row(i);
    for (Index c = 0; c < v.stride(); ++c) row[c] /= slope[c];
  }
}

template <typename T>
void Elementwise<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                 const Batch<T>& log_det_bar) const {
  const T* bar = log_det_bar.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* slope = tape.recorded(kSlope).row(i);
    const T* gradient = tape.recorded(kLogSlopeGradient).row(i);
    T* row = w.row(i);
    for (Index c = 0; c < w.stride(); ++c) row[c] = (row[c] + bar[c] * gradient[c]) / slope[c];
  }
}

template <typename T>
void Sigmoid<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  apply_sigmoid(point);
}

template <typename T>
void Sigmoid<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  apply_logit(point);
  record(point, log_det, tape);
}

template <typename T>
void Sigmoid<T>::record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const {
  double* total = log_det.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* y = z.row(i);
    T* slope = tape.recorded(this->kSlope).row(i);
    T* gradient = tape.recorded(this->kLogSlopeGradient).row(i);
    for (Index c = 0; c < z.stride(); ++c) {
      const T rising = elementary::sigmoid(y[c]);
      const T falling = elementary::sigmoid(-y[c]);  // 1 - rising, without cancellation
      slope[c] = rising * falling;
      gradient[c] = falling - rising;
      total[c] += log_sigmoid_slope(y[c]);
    }
  }
}

template <typename T>
void Logit<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  apply_logit(point);
  record(point, log_det, tape);
}

template <typename T>
void Logit<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  apply_sigmoid(point);
}

// In terms of x: dx/dz = 1 / (sigmoid(x) sigmoid(-x)) loses no digits near the ends.
template <typename T>
void Logit<T>::record(const Batch<T>& x, PerChain& log_det, Tape<T>& tape) const {
  double* total = log_det.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* y = x.row(i);
    T* slope = tape.recorded(this->kSlope).row(i);
    T* gradient = tape.recorded(this->kLogSlopeGradient).row(i);
    for (Index c = 0; c < x.stride(); ++c) {
      const T rising = elementary::sigmoid(y[c]);
      const T falling = elementary::sigmoid(-y[c]);
      slope[c] = T{1} / (rising * falling);
      gradient[c] = (rising - falling) * slope[c];
      total[c] -= log_sigmoid_slope(y[c]);
    }
  }
}

template <typename T>
LeakyRelu<T>::LeakyRelu(const LayerReader& reader) : Elementwise<T>(reader, {"slope"}) {
  const double slope = reader.number("slope");
  if (slope <= 0.0) {
    reader.fail(fmt::format("number 'slope' should be positive but is {}", slope));
  }
  slope_ = static_cast<T>(slope);
  log_slope_ = std::log(static_cast<double>(slope_));
}

template <typename T>
void LeakyRelu<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  for (Index i = 0; i < point.dim(); ++i) {
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) row[c] = row[c] < T{0} ? slope_ * row[c] : row[c];
  }
}

template <typename T>
void LeakyRelu<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  for (Index i = 0; i < point.dim(); ++i) {
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) row[c] = row[c] < T{0} ? row[c] / slope_ : row[c];
  }
}

template <typename T>
void LeakyRelu<T>::record(const Batch<T>& side, PerChain& log_det, Tape<T>& tape) const {
  double* total = log_det.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* y = side.row(i);
    T* slope = tape.recorded(this->kSlope).row(i);
    T* gradient = tape.recorded(this->kLogSlopeGradient).row(i);
    for (Index c = 0; c < side.stride(); ++c) {
      slope[c] = y[c] < T{0} ? slope_ : T{1};
      gradient[c] = T{0};
      total[c] += y[c] < T{0} ? log_slope_ : 0.0;
    }
  }
}

template class Elementwise<float>;
template class Elementwise<double>;
template class Sigmoid<float>;
template class Sigmoid<double>;
template class Logit<float>;
template class Logit<double>;
template class LeakyRelu<float>;
template class LeakyRelu<double>;

}  // namespace flotilla
