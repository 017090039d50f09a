// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// The flow of a file on every rank: rank 0 reads it, it travels once, and every rank checks that
/// what arrived has the checksum that it says.
///
/// Collective. @throws InputError, the same on every rank; see read_flow_file()
FlowRecord replicate_flow(const Communicator& comm, const std::string& path);

/// Points of a file on every rank: rank 0 reads them. Collective.
/// @throws InputError, the same on every rank; see read_numbers()
Tensor replicate_numbers(const Communicator& comm, const Location& location);

/// Reads a context on rank 0 and broadcasts it. Collective.
/// @throws InputError, the same on every rank; see read_context()
std::vector<double> replicate_context(const Communicator& comm, const ContextSource& source);

/// The bytes that travel, and back. The two ends run the same program: no other format is promised.
std::string to_bytes(const FlowRecord& record);
FlowRecord flow_from_bytes(const std::string& bytes);

}  // namespace flotilla
