// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// A flow that has learnt nothing: x = loc + scale z with z ~ N(0, I), golden values included.
///
/// Without loc and scale it has no layers, and x = z. Its checksum is left to the file.
/// @param loc    [dim], or empty for zeros
/// @param scale  [dim], or empty for ones
/// @throws InputError if a number is not finite, or a scale is not > 0
FlowRecord identity_flow(Index dim, std::vector<double> loc, std::vector<double> scale);

}  // namespace flotilla
