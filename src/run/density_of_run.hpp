// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/target/density.hpp"
#include "io/facts.hpp"

namespace flotilla {

/// The density of a configuration, opened on every rank; null if its target needs none. Collective.
///
/// @param dim  of the flow
/// @throws InputError as open_density() does, the same on every rank
std::unique_ptr<Density> density_of_run(const RunConfig& config, Index dim,
                                        const Communicator& comm);

/// What a run file records of its density: the path, the arguments, and the checksums of the files
/// that they name. Empty if the target needs none. Collective.
RunFacts density_facts(const RunConfig& config, const Communicator& comm);

}  // namespace flotilla
