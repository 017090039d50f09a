#pragma once

// What a run file records beside the draws: the whole configuration, what was run, what ran it.

#include <optional>
#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/io/run_file.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/ensemble.hpp"

namespace flotilla {

/// Known before the first step; the same on every rank. Collective: rank 0's clock and paths count.
RunFacts run_facts(const RunConfig& config, const FlowRecord& record, std::optional<double> level,
                   const Communicator& comm);

/// The names of those that are known after the last step, and their values.
std::vector<std::string> measured_names();
std::vector<std::pair<std::string, double>> measured_facts(const RunSummary& summary);

}  // namespace flotilla
