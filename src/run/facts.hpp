// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a run file records beside the draws: configuration, flow, target, and what made the file.

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/run/ensemble.hpp"
#include "io/facts.hpp"

namespace flotilla {

/// The program that makes a file, as ArviZ names it, and what it was built with.
RunFacts library_facts();

/// The absolute path of a file, on rank 0. Collective.
std::string absolute_on_root(const Communicator& comm, const std::string& path);

/// The facts known before the first step, the same on every rank. Rank 0's clock and paths are
/// used. Collective.
/// @param target  of the configuration, resolved
/// @throws InputError if one of its parameters has the name of another fact
RunFacts run_facts(const RunConfig& config, const Specification& target, const FlowRecord& record,
                   const Communicator& comm);

/// The names of the facts known after the last step, and their values.
std::vector<std::string> measured_names();
std::vector<std::pair<std::string, double>> measured_facts(const RunSummary& summary);

}  // namespace flotilla
