// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/ensemble.hpp"

namespace flotilla {

/// A figure measured by a finished run, as a row of a table. The run file, the table at the end of
/// a run and the figures of a study follow from it.
struct MeasuredFigure {
  const char* name;   ///< an attribute of the run file, "acceptance_rate"
  const char* title;  ///< for people
  double (*of)(const RunSummary& summary);
  Print print;
};

/// All measured figures, in the order of tables and files.
const std::vector<MeasuredFigure>& measured_figures();

}  // namespace flotilla
