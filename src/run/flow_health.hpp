// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flotilla/run/flow_verification.hpp"

namespace flotilla {

/// Which draws of the base density.
struct BaseDraws {
  Index count = 0;
  std::uint64_t seed = 1;
};

/// Examines a flow at draws of its base density. Ranks share the draws; rank 0 gets the result, the
/// same bits on any number of ranks. Collective.
/// @param record  an unconditional flow, or one whose context is fixed
/// @throws InputError, the same on every rank, if the flow cannot be built
FlowHealth examine(const FlowRecord& record, const BaseDraws& draws, const Communicator& comm);

}  // namespace flotilla
