#include "flotilla/sampler/point.hpp"

namespace flotilla {

template <typename T>
Point<T>::Point(const Flow<T>& flow, Index chains)
    : z(flow.dim(), chains),
      x(flow.dim(), chains),
      drift(flow.dim(), chains),
      log_det(1, chains),
      log_density(1, chains),
      tape(flow.tape_shape(), chains) {}

template <typename T>
void Point<T>::select(const ColumnMask& mask, const Point& other) {
  select_columns(mask, other.z, z);
  select_columns(mask, other.x, x);
  select_columns(mask, other.drift, drift);
  select_columns(mask, other.log_det, log_det);
  select_columns(mask, other.log_density, log_density);
  tape.select(mask, other.tape);
}

template struct Point<float>;
template struct Point<double>;

}  // namespace flotilla
