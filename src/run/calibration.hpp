// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/core/parameter.hpp"
#include "flotilla/core/random.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"

namespace flotilla {

/// Number of draws of q_Z that a quantile of l is estimated from.
inline constexpr Index kCalibrationDraws = 16384;

/// The quantile of l(z) = log|det J(z)| under z ~ q_Z, in nats. An undefined l counts as +inf.
///
/// It is estimated from kCalibrationDraws draws. Ranks share their tiles and collect them in order,
/// so the result does not depend on the number of ranks. Collective.
/// @param probability  in (0, 1)
template <typename T>
double log_det_quantile(const Flow<T>& flow, const Random& random, Index tile_width,
                        double probability, const Communicator& comm);

/// The specification of exactly the target that a run samples: resolve_target() with the quantiles
/// of the run's flow. Collective. @throws InputError as resolve_target() does, the same on every
/// rank
template <typename T>
Specification resolve_target(const RunConfig& config, const Flow<T>& flow,
                             const Communicator& comm);

}  // namespace flotilla
