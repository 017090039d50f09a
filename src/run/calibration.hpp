#pragma once

#include "flotilla/core/random.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Draws of q_Z that a clip level is estimated from.
inline constexpr Index kCalibrationDraws = 16384;

/// The level c of a clipped target: the quantile of l(z) = log|det J(z)| under z ~ q_Z, in nats.
///
/// Estimated from kCalibrationDraws draws, tiles of them shared out over the ranks and collected in
/// the order of the tiles: the level does not depend on the number of ranks. Collective.
/// @param quantile  in (0, 1)
/// @throws InputError where l is not finite at that quantile
template <typename T>
double clip_level(const Flow<T>& flow, const Random& random, Index tile_width, double quantile,
                  const Communicator& comm);

}  // namespace flotilla
