// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a run file records beside the draws: the whole configuration, what was run, what ran it.

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/ensemble.hpp"
#include "io/facts.hpp"

namespace flotilla {

/// Which program makes a file, as ArviZ names it, and with what it was built.
RunFacts library_facts();

/// The absolute path of a file, of rank 0's. Collective.
std::string absolute_on_root(const Communicator& comm, const std::string& path);

/// Known before the first step; the same on every rank. Collective: rank 0's clock and paths count.
/// @param target  of the configuration, resolved
/// @throws InputError where one of its parameters has the name of another fact
RunFacts run_facts(const RunConfig& config, const Specification& target, const FlowRecord& record,
                   const Communicator& comm);

/// The names of those that are known after the last step, and their values.
std::vector<std::string> measured_names();
std::vector<std::pair<std::string, double>> measured_facts(const RunSummary& summary);

}  // namespace flotilla
