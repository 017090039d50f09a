// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/target/density.hpp"
#include "io/facts.hpp"

namespace flotilla {

/// The density of a source, opened on every rank; null if the source is empty. Collective.
///
/// @param dim  of the flow
/// @throws InputError, the same on every rank, as open_density(), replicate_observation() and
/// likelihood() do
std::unique_ptr<Density> density_of(const DensitySource& source, Index dim,
                                    const Communicator& comm);

/// The density of a configuration, opened on every rank; null if its target needs none. Collective.
///
/// @param dim  of the flow
/// @throws InputError as density_of() does
std::unique_ptr<Density> density_of_run(const RunConfig& config, Index dim,
                                        const Communicator& comm);

/// What a run file records of its density: the path, the arguments, and the checksums of the files
/// that they name. Empty if the target needs none. Collective.
RunFacts density_facts(const RunConfig& config, const Communicator& comm);

}  // namespace flotilla
