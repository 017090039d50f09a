// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/quality/diagnosis.hpp"

namespace flotilla {

/// What the figures of a summary are held against.
struct Thresholds {
  double max_rhat = 1.01;
  double min_ess = 400.0;
  double max_non_finite = 0.0;  ///< of draws of one quantity
};

/// One of them as people meet it.
struct Threshold {
  const char* name = "";   ///< of the option that sets it, "max-rhat"; empty where none does
  const char* title = "";  ///< of what it is a threshold, "R-hat"
  const char* help = "";   ///< of the option
  Range range;             ///< of the option
  double Thresholds::*value = nullptr;
  bool at_most = false;     ///< a figure should be at most so large, else at least
  const char* advice = "";  ///< what to try where it is not
};

/// For which runs something holds: chains that all start apart, or superchains.
enum class Runs { kAll, kWithoutSuperchains, kWithSuperchains, kNone };

/// A figure of a quantity, x[3] or lp: a row of the table from which JSON, CSV, the columns that
/// people read and the verdict follow.
struct QuantityFigure {
  const char* name;     ///< in JSON and CSV, "ess_bulk"
  const char* title;    ///< in tables and sentences, "bulk ESS"
  const char* meaning;  ///< in half a sentence
  double QuantitySummary::*value;
  Print print;
  Runs shown;                  ///< whose tables have a column of it
  const Threshold* threshold;  ///< null where there is none, and `judged` does not count
  Runs judged;                 ///< which runs are held against the threshold
};

/// A figure of a run as a whole, in the same way. Without a title it is in JSON alone.
struct RunFigure {
  const char* name;
  const char* title;
  const char* meaning;
  double (*of)(const Diagnosis& diagnosis);
  Print print;
};

const std::vector<QuantityFigure>& quantity_figures();
const std::vector<RunFigure>& run_figures();

/// Whether a diagnosis is of such a run.
bool holds(Runs runs, const Diagnosis& diagnosis);

/// Thresholds that options set, in the order of the figures.
std::vector<const Threshold*> thresholds_with_options();

/// All quantities, the worst by a figure first; one where it is not defined is worse than any.
/// @pre the figure has a threshold
std::vector<const NamedQuantity*> worst_first(const Diagnosis& diagnosis,
                                              const QuantityFigure& figure);

/// What is not as it should be, each with what to try; empty where the draws can be trusted as far
/// as figures can say.
std::vector<std::string> failures(const Diagnosis& diagnosis, const Thresholds& thresholds);

}  // namespace flotilla
