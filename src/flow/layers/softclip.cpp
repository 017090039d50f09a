// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layers/softclip.hpp"

#include <fmt/format.h>

#include <limits>

#include "core/elementary.hpp"

namespace flotilla {

template <typename T>
Softclip<T>::Softclip(const LayerReader& reader) : Elementwise<T>(reader, {"bound"}) {
  const double bound = reader.number("bound");
  if (bound <= 0.0) reader.fail(fmt::format("number 'bound' should be positive but is {}", bound));
  bound_ = static_cast<T>(bound);
}

template <typename T>
void Softclip<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  record(point, log_det, tape);
  for (Index i = 0; i < point.dim(); ++i) {
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) {
      const T magnitude = row[c] < T{0} ? -row[c] : row[c];
      row[c] /= T{1} + magnitude / bound_;
    }
  }
}

template <typename T>
void Softclip<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  for (Index i = 0; i < point.dim(); ++i) {
    T* row = point.row(i);
    for (Index c = 0; c < point.stride(); ++c) {
      const T magnitude = row[c] < T{0} ? -row[c] : row[c];
      const T rest = T{1} - magnitude / bound_;
      row[c] = rest < T{0} ? kNan : row[c] / rest;
    }
  }
  record(point, log_det, tape);
}

// dx/dz = 1 / (1 + |z / bound|)^2
template <typename T>
void Softclip<T>::record(const Batch<T>& z, PerChain& log_det, Tape<T>& tape) const {
  double* total = log_det.row(0);
  for (Index i = 0; i < this->dim(); ++i) {
    const T* y = z.row(i);
    T* slope = tape.recorded(this->kSlope).row(i);
    T* gradient = tape.recorded(this->kLogSlopeGradient).row(i);
    for (Index c = 0; c < z.stride(); ++c) {
      const T magnitude = y[c] < T{0} ? -y[c] : y[c];
      const T shrink = T{1} / (T{1} + magnitude / bound_);
      const T twice = T{2} * shrink / bound_;
      slope[c] = shrink * shrink;
      gradient[c] = y[c] < T{0} ? twice : -twice;
      total[c] -= 2.0 * elementary::log1p(static_cast<double>(magnitude / bound_));
    }
  }
}

template class Softclip<float>;
template class Softclip<double>;

}  // namespace flotilla
