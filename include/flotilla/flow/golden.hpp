// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// How far this implementation is from a flow's golden values. Each figure is the largest |found -
/// expected| / max(1, |expected|) over all points and coordinates. A NaN counts as infinite.
struct GoldenDeviations {
  double x = 0.0;  ///< image of the golden z
  double log_det = 0.0;
  double log_det_gradient = 0.0;
  double jvp = 0.0;
  double z_from_x = 0.0;          ///< inverse of the golden x against the golden z
  double tangent_from_jvp = 0.0;  ///< J^-1 of the golden J v against the golden v
  double base_log_density = 0.0;  ///< zero if the file has no golden values of its base density
  double base_score = 0.0;        ///< zero in the same case

  /// The largest of all deviations.
  double largest() const;
};

/// Recomputes the golden values of a record in the precision of T.
/// @throws InputError if the record has no golden values, or their shapes do not fit its dim
template <typename T>
GoldenDeviations verify_golden(const FlowRecord& record);

// Golden values were computed in double, by other code, in another order. The deviation in double
// shows how much the flow amplifies rounding. Float may deviate by the same number of roundings,
// and by kFloatTolerance in any case. A flow that needs more than kFloatTolerance is too
// ill-conditioned for float. A flow that deviates by more than it may is computed wrongly.

/// Largest deviation in double of a flow that is computed correctly.
inline constexpr double kDoubleTolerance = 1e-9;
inline constexpr double kFloatTolerance = 1e-2;

/// The largest deviation that rounding explains in float, given the deviations in double.
double explained_in_float(const GoldenDeviations& in_double);

/// Recomputes the golden values in the precision of T, and in double.
/// @throws InputError if they deviate by more than rounding explains; see verify_golden()
template <typename T>
void expect_golden(const FlowRecord& record);

}  // namespace flotilla
