// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/additive_map.hpp"

namespace flotilla {

template <typename T>
void AdditiveMap<T>::forward(const T* theta, T* /*record*/, T* value, double* /*log_det*/,
                             Index count) const {
  for (Index c = 0; c < count; ++c) value[c] += theta[c];
}

template <typename T>
void AdditiveMap<T>::inverse(const T* theta, T* /*record*/, T* value, double* /*log_det*/,
                             Index count) const {
  for (Index c = 0; c < count; ++c) value[c] -= theta[c];
}

template <typename T>
void AdditiveMap<T>::tangent(const T* /*record*/, const T* theta_dot, T* v, Index count) const {
  for (Index c = 0; c < count; ++c) v[c] += theta_dot[c];
}

template <typename T>
void AdditiveMap<T>::inverse_tangent(const T* /*record*/, const T* theta_dot, T* v,
                                     Index count) const {
  for (Index c = 0; c < count; ++c) v[c] -= theta_dot[c];
}

template <typename T>
void AdditiveMap<T>::reverse(const T* /*record*/, const T* /*bar*/, T* w, T* theta_bar,
                             Index count) const {
  for (Index c = 0; c < count; ++c) theta_bar[c] = w[c];
}

template <typename T>
void AdditiveMap<T>::inverse_reverse(const T* /*record*/, const T* /*bar*/, T* w, T* theta_bar,
                                     Index count) const {
  for (Index c = 0; c < count; ++c) theta_bar[c] = -w[c];
}

template class AdditiveMap<float>;
template class AdditiveMap<double>;

}  // namespace flotilla
