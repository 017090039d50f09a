// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The products of a map of coordinates that records all its derivatives: what spline and curve
/// maps have in common. See CoordinateMap.
///
/// Rows of the record: dy/du; d log g' / du; then dy/dtheta_p and then d log g' / dtheta_p for each
/// parameter.
template <typename T>
class RecordedMap {
 public:
  Index parameters() const { return parameters_; }
  Index recorded() const { return 2 + 2 * parameters_; }

  void tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const;
  void reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;
  void inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const;

 protected:
  RecordedMap() = default;
  /// @param count  rows of theta of one coordinate
  void set_parameters(Index count) { parameters_ = count; }

 private:
  Index parameters_ = 0;
};

}  // namespace flotilla
