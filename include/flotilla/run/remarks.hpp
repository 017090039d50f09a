// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/run/ensemble.hpp"

namespace flotilla {

/// One sentence for each of --until-rhat and --until-ess that the last report does not have, with
/// what to try. Empty if it has all that was asked for.
std::vector<std::string> unmet_thresholds(const RunConfig& config, const RunSummary& summary);

/// What the user of a finished run has to know although the run went through, a sentence each.
std::vector<std::string> remarks(const RunConfig& config, const RunSummary& summary);

}  // namespace flotilla
