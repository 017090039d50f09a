// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Fixes the context of a conditional flow: the record of the unconditional flow that is left.
///
/// Conditioners see the context c through what linear map k adds, act(context_weight_k c +
/// context_bias_k), and what multiplies its output then, sigmoid(gate_weight_k c + gate_bias_k).
/// Both are constants of a run, so they are folded into weight_k and bias_k here, in double: a
/// conditional flow costs what an unconditional one does. A diagonal_normal base sees it through
/// context_loc c, added to its mean, and context_log_scale c, to its log scale. The checksum stays
/// the file's.
/// @param context  [record.context_dim]; kept in the result's `context`
/// @throws InputError where the context does not fit the flow, or its arrays do not fit it
FlowRecord at_context(FlowRecord record, const std::vector<double>& context);

}  // namespace flotilla
