// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::bench {

/// The kind of a flow. MAF finds one coordinate after another when it samples, IAF when it
/// evaluates densities.
enum class Kind { kAffineCoupling, kSplineCoupling, kMaf, kIaf };

inline constexpr Index kSplineBins = 8;

/// A flow of `layers` layers with random weights. It is close enough to the identity to be sampled.
/// @param widths  of the conditioners' hidden layers, with tanh between them
FlowRecord random_flow(Kind kind, Index dim, int layers, const std::vector<Index>& widths);

/// The record of a map that is a network of 64-64 units, as zuko has by default, with a signal of
/// 16 numbers. @param rising  no weight is negative
LayerRecord network_map(std::string_view type, bool rising);

}  // namespace flotilla::bench
