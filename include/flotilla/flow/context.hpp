// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Fixes the context of a conditional flow. Returns the record of the unconditional flow that
/// results.
///
/// A context c enters a conditioner at linear map k in two ways. act(context_weight_k c +
/// context_bias_k) is added to its output. Then sigmoid(gate_weight_k c + gate_bias_k) multiplies
/// the output. Both are constants of a run, so they are folded into weight_k and bias_k here, in
/// double: a conditional flow then costs what an unconditional one does. In a diagonal_normal base,
/// context_loc c is added to the mean and context_log_scale c to the log scale. The checksum stays
/// that of the file.
///
/// @param context  [record.context_dim]; kept in the result's `context`
/// @throws InputError if the context does not fit the flow, or its arrays do not fit it
FlowRecord at_context(FlowRecord record, const std::vector<double>& context);

}  // namespace flotilla
