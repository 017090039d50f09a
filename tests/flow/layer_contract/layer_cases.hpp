// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla::test {

/// A layer under test, and the points at which it may be evaluated.
struct LayerCase {
  std::string name;
  FlowRecord record;  ///< of one layer, which is tested itself, or of several, tested as a
                      ///< composite
  bool on_unit_interval = false;  ///< z is in (0, 1), not in R
  bool kinked = false;            ///< only piecewise smooth
};

/// The name of a case in messages of a failing test.
void PrintTo(const LayerCase& tested, std::ostream* out);

/// Every layer type, its edge cases, and composites.
const std::vector<LayerCase>& layer_cases();

}  // namespace flotilla::test
