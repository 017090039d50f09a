// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/quality/diagnosis.hpp"

namespace flotilla {

/// Fewer draws of each chain than this have no R-hat, or no ESS.
inline constexpr Index kFewestForRhat = 4;
inline constexpr Index kFewestForEss = 6;

/// The thresholds of a summary's figures.
struct Thresholds {
  double max_rhat = 1.01;       ///< of R-hat or nested R-hat
  double min_ess = 400.0;       ///< of bulk and tail ESS
  double max_non_finite = 0.0;  ///< largest number of non-finite draws of a quantity
};

/// One threshold: its option and its limits.
struct Threshold {
  const char* name = "";   ///< the option that sets it, "max-rhat"; empty if there is none
  const char* title = "";  ///< what it limits, "R-hat"
  const char* help = "";   ///< help text of the option
  Range range;             ///< range of the option
  double Thresholds::*value = nullptr;
  bool at_most = false;  ///< an upper limit, else a lower limit
};

/// The runs that something applies to. Chains start apart, or in superchains.
enum class Runs { kAll, kWithoutSuperchains, kWithSuperchains, kNone };

/// A figure of a quantity such as x[3] or lp, as a row of a table. JSON, CSV, the printed columns
/// and the verdict follow from it. A figure that no run shows is in JSON and CSV only.
struct QuantityFigure {
  const char* name;     ///< in JSON and CSV, "ess_bulk"
  const char* title;    ///< in tables and sentences, "bulk ESS"
  const char* meaning;  ///< half a sentence of explanation
  double QuantitySummary::*value;
  Print print;
  Runs shown;                  ///< the runs whose tables have a column for it
  const Threshold* threshold;  ///< null if it has none; then `judged` is unused
  Runs judged;                 ///< the runs that are held against the threshold
};

/// A figure of a whole run, as a row of a table. A figure without a title is in JSON only.
struct RunFigure {
  const char* name;
  const char* title;
  const char* meaning;
  double (*of)(const Diagnosis& diagnosis);
  Print print;
};

/// Something that may be wrong with a run whatever its R-hat and its ESS are, as a row of a table.
struct RunFault {
  bool (*found)(const Diagnosis& diagnosis);
  std::string (*sentence)(const Diagnosis& diagnosis);
};

/// The figures of a quantity, in the order of tables and files.
const std::vector<QuantityFigure>& quantity_figures();
/// The figures of a run, in the order of tables and files.
const std::vector<RunFigure>& run_figures();

/// Whether more chains have not moved than by chance.
bool chains_stand_still(const Diagnosis& diagnosis);
/// Whether some draws of lp are far above the others: the target has a spike.
bool has_no_bound(const Diagnosis& diagnosis);

/// The faults of a run, in the order of the verdict.
const std::vector<RunFault>& run_faults();

/// Whether a diagnosis is of such a run.
bool holds(Runs runs, const Diagnosis& diagnosis);

/// The thresholds that options set, in the order of the figures.
std::vector<const Threshold*> thresholds_with_options();

/// All quantities, the worst by a figure first. An undefined figure is the worst of all. @pre the
/// figure has a threshold
std::vector<const NamedQuantity*> worst_first(const Diagnosis& diagnosis,
                                              const QuantityFigure& figure);

/// One sentence for each fault of the run and each figure that fails its threshold. A constant
/// quantity fails none. Empty if there are none. What to try is in hints().
std::vector<std::string> failures(const Diagnosis& diagnosis, const Thresholds& thresholds);

}  // namespace flotilla
