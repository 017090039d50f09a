// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::test {

/// A layer under test, and where it may be evaluated.
struct LayerCase {
  std::string name;
  FlowRecord record;  ///< of one layer, which then stands for itself, or of several: a composite
  bool on_unit_interval = false;  ///< z in (0, 1), not on the line
  bool kinked = false;            ///< only piecewise smooth
};

/// What a failing test calls it.
void PrintTo(const LayerCase& tested, std::ostream* out);

/// Every layer type, its edge cases, and composites.
const std::vector<LayerCase>& layer_cases();

}  // namespace flotilla::test
