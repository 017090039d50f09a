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

}  // namespace flotilla
