// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/core/parameter.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/io/run_reader.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// How far a quantity of a run is from what this program computes at the run's z.
struct Recomputed {
  std::string name;      ///< "posterior/x"
  double values = 0;     ///< compared; likewise the next two
  double equal = 0;      ///< to the last bit
  double beyond = 0;     ///< differ by more than the tolerance
  double largest = 0.0;  ///< |found - expected| / max(1, |expected|)
  Index chain = 0;       ///< where that is
  Index draw = 0;
};

/// What is recomputed, and how closely.
struct Recomputation {
  Index points = 0;  ///< at least, of all chains; whole tiles are recomputed
  double tolerance = 0.0;
  bool log_density = false;          ///< lp too
  Specification target;              ///< of lp
  const Density* density = nullptr;  ///< of the target; what it derives from x too
};

/// Recomputes x, l, log pi and what the density derives, at draws z of a run, spread over its tiles
/// and draws, in the run's precision and its tile width: where program and instruction set are
/// those of the run, to the last bit. Ranks share the draws. Collective.
///
/// @param record  the flow of the run, at its context
/// @throws InputError, the same on every rank, if the flow or the target cannot be made, or the
/// draws do not fit it; EnvironmentError if the density fails
std::vector<Recomputed> recompute(const RunReader& run, const FlowRecord& record,
                                  const Recomputation& what, const Communicator& comm);

}  // namespace flotilla
