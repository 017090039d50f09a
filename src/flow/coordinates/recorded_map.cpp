// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/recorded_map.hpp"

namespace flotilla {

template <typename T>
void RecordedMap<T>::tangent(const T* record, const T* theta_dot, T* v, Index count) const {
  const T* by_theta = record + 2 * count;
  for (Index c = 0; c < count; ++c) v[c] *= record[c];
  for (Index i = 0; i < parameters() * count; i += count) {
    for (Index c = 0; c < count; ++c) v[c] += by_theta[i + c] * theta_dot[i + c];
  }
}

template <typename T>
void RecordedMap<T>::inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const {
  const T* by_theta = record + 2 * count;
  for (Index i = 0; i < parameters() * count; i += count) {
    for (Index c = 0; c < count; ++c) v[c] -= by_theta[i + c] * theta_dot[i + c];
  }
  for (Index c = 0; c < count; ++c) v[c] /= record[c];
}

template <typename T>
void RecordedMap<T>::reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const {
  const T* by_theta = record + 2 * count;
  const T* log_by_theta = by_theta + parameters() * count;
  for (Index i = 0; i < parameters() * count; i += count) {
    for (Index c = 0; c < count; ++c) {
      theta_bar[i + c] = w[c] * by_theta[i + c] + bar[c] * log_by_theta[i + c];
    }
  }
  for (Index c = 0; c < count; ++c) w[c] = w[c] * record[c] + bar[c] * record[count + c];
}

template <typename T>
void RecordedMap<T>::inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar,
                                     Index count) const {
  const T* by_theta = record + 2 * count;
  const T* log_by_theta = by_theta + parameters() * count;
  for (Index c = 0; c < count; ++c) w[c] = (w[c] + bar[c] * record[count + c]) / record[c];
  for (Index i = 0; i < parameters() * count; i += count) {
    for (Index c = 0; c < count; ++c) {
      theta_bar[i + c] = bar[c] * log_by_theta[i + c] - w[c] * by_theta[i + c];
    }
  }
}

template class RecordedMap<float>;
template class RecordedMap<double>;

}  // namespace flotilla
