// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/flow.hpp"

namespace flotilla {

/// The dimension up to which condition numbers come from the dense J.
inline constexpr Index kDenseJacobian = 64;

/// Whether condition numbers can be told: J is small, or its inverse can be applied.
bool has_conditions(const Flow<double>& flow);

/// Condition numbers of J at the point that forward() recorded, one for each column. Up to
/// kDenseJacobian dimensions they come from singular values; above, power iteration with J^T J and
/// its inverse gives lower bounds. @pre has_conditions(flow)
///
/// @param tape    of a batch of `chains` columns
std::vector<double> condition_numbers(const Flow<double>& flow, const Tape<double>& tape,
                                      Index chains);

}  // namespace flotilla
