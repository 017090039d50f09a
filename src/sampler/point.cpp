// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/point.hpp"

#include <algorithm>
#include <cassert>

namespace flotilla {

template <typename T>
Point<T>::Point(const Flow<T>& flow, Index chains, bool keep_tape)
    : position(flow.dim(), chains),
      z(flow.dim(), chains),
      x(flow.dim(), chains),
      drift(flow.dim(), chains),
      log_det(1, chains),
      log_density(1, chains),
      tape(keep_tape ? flow.tape_shape() : TapeShape{}, chains) {}

template <typename T>
template <typename U>
void Point<T>::move_to(const Batch<U>& to) {
  assert(to.dim() == z.dim() && to.stride() == z.stride());
  const Index count = z.dim() * z.stride();
  std::copy_n(to.row(0), count, position.row(0));
  std::transform(to.row(0), to.row(0) + count, z.row(0),
                 [](U value) { return static_cast<T>(value); });
}

template <typename T>
void Point<T>::select(const ColumnMask& mask, const Point& other) {
  select_columns(mask, other.position, position);
  select_columns(mask, other.z, z);
  select_columns(mask, other.x, x);
  select_columns(mask, other.drift, drift);
  select_columns(mask, other.log_det, log_det);
  select_columns(mask, other.log_density, log_density);
}

template <typename T>
void Point<T>::select_tape(const ColumnMask& mask, const Point& other) {
  tape.select(mask, other.tape);
}

template struct Point<float>;
template struct Point<double>;
template void Point<float>::move_to(const Batch<float>&);
template void Point<float>::move_to(const Batch<double>&);
template void Point<double>::move_to(const Batch<double>&);

}  // namespace flotilla
