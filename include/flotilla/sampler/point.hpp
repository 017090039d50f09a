// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/flow.hpp"

namespace flotilla {

/// A latent point of every chain of a tile, with all that is known there.
template <typename T>
struct Point {
  Point() = default;
  /// @param keep_tape  without it the point has no tape
  Point(const Flow<T>& flow, Index chains, bool keep_tape = true);

  /// Sets position and z, and leaves all else as it was. @param to  [dim x chains]
  template <typename U>
  void move_to(const Batch<U>& to);

  /// Takes over the masked columns of another point: accepted moves. The tape only if this point
  /// has one.
  void select(const ColumnMask& mask, const Point& other);

  /// The chain's state, [dim x chains]. A step may be shorter than a rounding of z in float: where
  /// J stretches by thousands, that rounding would be most of the step.
  Batch<double> position;
  Batch<T> z;            ///< position as the flow sees it, rounded to T
  Batch<T> x;            ///< f(z), [dim x chains]
  Batch<T> drift;        ///< what the local move climbs along: s(z) or g(z), [dim x chains]
  PerChain log_det;      ///< l(z)
  PerChain log_density;  ///< log pi(z), -inf where anything above is not finite
  Tape<T> tape;
  bool keeps_tape = false;  ///< whether select() moves the tape
};

}  // namespace flotilla
