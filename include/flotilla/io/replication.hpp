// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/target/observation.hpp"

namespace flotilla {

/// The flow of a file, on every rank. Rank 0 reads and broadcasts it; every rank verifies the
/// checksum of what arrived.
///
/// Collective. @throws InputError, the same on every rank; see read_flow_file()
FlowRecord replicate_flow(const Communicator& comm, const std::string& path);

/// An array of numbers, on every rank. Rank 0 reads and broadcasts it. Collective.
/// @throws InputError, the same on every rank; see read_numbers()
Tensor replicate_numbers(const Communicator& comm, const Location& location);

/// Points in data space, on every rank: an array, or of a run file the last complete draw of every
/// chain, [chains x dim]. Rank 0 reads and broadcasts them. Collective.
/// @throws InputError, the same on every rank
Tensor replicate_points(const Communicator& comm, const Location& location);

/// The numbers of a context, on every rank. Rank 0 reads and broadcasts them. Collective.
/// @throws InputError, the same on every rank; see read_context()
std::vector<double> replicate_context(const Communicator& comm, const ContextSource& source);

/// The observation of a file, on every rank. Rank 0 reads and broadcasts it. Collective.
/// @throws InputError, the same on every rank; see read_observation()
Observation replicate_observation(const Communicator& comm, const std::string& path);

/// The flow of a file at a context, on every rank. Collective.
/// @throws InputError, the same on every rank; see at_context()
FlowRecord replicate_flow(const Communicator& comm, const std::string& path,
                          const ContextSource& source);

/// Converts a flow to bytes for a broadcast, and back. Both ends must be the same program: the
/// format is not stable.
std::string to_bytes(const FlowRecord& record);
FlowRecord flow_from_bytes(const std::string& bytes);

}  // namespace flotilla
