#pragma once

#include <string>

#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// The flow of a file on every rank: rank 0 reads it, it travels once, and every rank checks that
/// what arrived has the checksum that it says.
///
/// Collective. @throws InputError, the same on every rank; see read_flow_file()
FlowRecord replicate_flow(const Communicator& comm, const std::string& path);

/// Points of a file on every rank: rank 0 reads them. Collective.
/// @throws InputError, the same on every rank; see read_points()
Tensor replicate_points(const Communicator& comm, const std::string& location);

/// The bytes that travel, and back. The two ends run the same program: no other format is promised.
std::string to_bytes(const FlowRecord& record);
FlowRecord flow_from_bytes(const std::string& bytes);

}  // namespace flotilla
