// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/flow/flow.hpp"
#include "flotilla/run/flow_verification.hpp"

namespace flotilla {

/// Climbs log q_X(f(z)) = log q_Z(z) - l(z), the target of beta = 1, by gradient ascent from every
/// column of z. Each column has its own step, which doubles while the density rises and halves when
/// it does not. It is never longer than a chain's step: what it reaches, chains reach too.
///
/// @param starts  latent points [dim x chains], one at least
Climb climb_density(const Flow<double>& flow, Batch<double> starts);

}  // namespace flotilla
