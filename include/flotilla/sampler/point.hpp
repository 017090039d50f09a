// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/flow.hpp"

namespace flotilla {

/// A latent point of every chain of a tile, with all that is known there.
template <typename T>
struct Point {
  Point() = default;
  /// @param keep_tape  if false, the point has no tape
  Point(const Flow<T>& flow, Index chains, bool keep_tape = true);

  /// Sets position and z, and nothing else. @param to  [dim x chains]
  template <typename U>
  void move_to(const Batch<U>& to);

  /// Copies the masked columns of another point, without their tape: accepted moves.
  void select(const ColumnMask& mask, const Point& other);
  /// Copies the masked columns of another point's tape. @pre both points have one
  void select_tape(const ColumnMask& mask, const Point& other);

  /// The chain's state, [dim x chains], in double. If J stretches by thousands, a step can be
  /// shorter than the rounding of z in float; that rounding would then dominate the step.
  Batch<double> position;
  Batch<T> z;            ///< position as the flow sees it, rounded to T
  Batch<T> x;            ///< f(z), [dim x chains]
  Batch<T> drift;        ///< direction of the local move: s(z) or g(z), [dim x chains]
  PerChain log_det;      ///< l(z)
  PerChain log_density;  ///< log pi(z); -inf if anything above is not finite
  Tape<T> tape;          ///< of the flow at z
};

}  // namespace flotilla
