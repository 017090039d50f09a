// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::bench {

/// What a flow is made of. MAF samples one coordinate after another, IAF evaluates densities so.
enum class Kind { kAffineCoupling, kSplineCoupling, kMaf, kIaf };

inline constexpr Index kSplineBins = 8;

/// A flow of `layers` layers with random weights, near enough to the identity to be sampled.
/// @param widths  of the conditioners' hidden layers, tanh between them
FlowRecord random_flow(Kind kind, Index dim, int layers, const std::vector<Index>& widths);

}  // namespace flotilla::bench
