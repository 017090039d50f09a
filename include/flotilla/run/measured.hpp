// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/ensemble.hpp"

namespace flotilla {

/// A figure that is known of a run once it is finished: a row of the table from which the run file,
/// the table at the end of a run and the figures of a study follow.
struct MeasuredFigure {
  const char* name;   ///< an attribute of the run file, "acceptance_rate"
  const char* title;  ///< for people
  double (*of)(const RunSummary& summary);
  Print print;
};

const std::vector<MeasuredFigure>& measured_figures();

}  // namespace flotilla
