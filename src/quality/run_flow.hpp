// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/flow/flow.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// The record of a run's flow, at the run's context. Collective.
///
/// @param path  its file; empty: the one that the run names
/// @throws InputError, the same on every rank, if the file is not the flow that was sampled
FlowRecord flow_record_of_run(const RunReader& run, const std::string& path,
                              const Communicator& comm);

/// The flow of a run at its context, whose draws have `dim` coordinates. Collective.
///
/// @param path  its file; empty: the one that the run names
/// @throws InputError, the same on every rank, if the file is not the flow that was sampled
std::unique_ptr<Flow<double>> flow_of_run(const RunReader& run, const std::string& path, Index dim,
                                          const Communicator& comm);

}  // namespace flotilla
