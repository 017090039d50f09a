// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/parameter.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// The configuration that a run file records, with the file at its present place as the output.
/// Collective. @throws InputError, the same on every rank, if it records none
RunConfig recorded_config(const Communicator& comm, const std::string& path);

/// The resolved target specification of a run. make_target() makes the same target from it. Not
/// collective.
/// @throws InputError if the target is not in the registry but a caller's own
Specification recorded_target(const RunReader& run);

/// Where the density of a run's target came from; all empty if the target needs none. The file may
/// have changed since: the run also records density_checksum or observation_checksum. Not
/// collective.
DensitySource recorded_density(const RunReader& run);

/// The kernel specification of a run. Not collective.
/// @throws InputError if the kernel is not in the registry
Specification recorded_kernel(const RunReader& run);

}  // namespace flotilla
