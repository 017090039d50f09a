// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/run/flow_verification.hpp"

namespace flotilla {

/// What the figures of a flow's health mean: a sentence and a verdict for each.
std::vector<Finding> findings_of(const FlowHealth& health);

}  // namespace flotilla
