// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "peak.hpp"

namespace flotilla::bench {

/// Registers the convolutions of the shipped Glow: each shape alone, in both directions (outputs
/// from inputs, and cotangents of inputs from those of outputs).
template <typename T>
void add_convolutions(const std::string& precision, const Peak& peak);

}  // namespace flotilla::bench
