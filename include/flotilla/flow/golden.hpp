// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// How far this implementation is from a flow's golden values: the largest deviation of each kind,
/// |found - expected| / max(1, |expected|), over all points and coordinates; NaN counts as
/// infinite.
struct GoldenDeviations {
  double x = 0.0;
  double log_det = 0.0;
  double log_det_gradient = 0.0;
  double jvp = 0.0;
  double z_from_x = 0.0;          ///< inverse of the golden x against the golden z
  double tangent_from_jvp = 0.0;  ///< J^-1 of the golden J v against the golden v
  double base_log_density = 0.0;  ///< zero where the file has no golden values of its base density
  double base_score = 0.0;        ///< as before

  double largest() const;
};

/// Recomputes the golden values of a record in the precision of T.
/// @throws InputError where the record has none, or their shapes do not fit its dim
template <typename T>
GoldenDeviations verify_golden(const FlowRecord& record);

// Golden values were computed in double by other code in another order. A float pass loses what
// float loses, amplified by the flow's own condition, which double shows: what is lost there, in
// roundings. Beyond kFloatTolerance a flow is too ill-conditioned for float; beyond what its
// condition explains, float computes something else.
inline constexpr double kDoubleTolerance = 1e-9;
inline constexpr double kFloatTolerance = 1e-2;

/// The largest deviation in float of a flow that deviates so much in double and is right.
double explained_in_float(const GoldenDeviations& in_double);

/// Recomputes the golden values in the precision of T, and in double.
/// @throws InputError where they are not what this program computes; see verify_golden()
template <typename T>
void expect_golden(const FlowRecord& record);

}  // namespace flotilla
