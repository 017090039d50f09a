#pragma once

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/flow.hpp"

namespace flotilla {

/// A latent point of every chain of a tile, with all that is known there.
template <typename T>
struct Point {
  Point() = default;
  Point(const Flow<T>& flow, Index chains);

  /// Takes over the masked columns of another point: accepted moves.
  void select(const ColumnMask& mask, const Point& other);

  Batch<T> z;            ///< [dim x chains]
  Batch<T> x;            ///< f(z), [dim x chains]
  Batch<T> drift;        ///< what the local move climbs along: s(z) or g(z), [dim x chains]
  PerChain log_det;      ///< l(z)
  PerChain log_density;  ///< log pi(z), -inf where anything above is not finite
  Tape<T> tape;
};

}  // namespace flotilla
