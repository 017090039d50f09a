// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "peak.hpp"

namespace flotilla::bench {

/// Registers the convolutions of the shipped Glow, each shape alone and each way: its output from
/// its input, and the cotangents of its input from those of its output.
template <typename T>
void add_convolutions(const std::string& precision, const Peak& peak);

}  // namespace flotilla::bench
