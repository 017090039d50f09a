// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/core/batch.hpp"
#include "flotilla/flow/record.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/config.hpp"
#include "flotilla/target/density.hpp"

namespace flotilla {

/// What draws of q_Z lose if a flow is computed, and its points are stored, in float. Each figure
/// is exceeded by one draw in ten.
struct FloatLoss {
  double shift = 0.0;    ///< how far x = f(z) is moved, pulled back to the latent space by J^-1, in
                         ///< standard deviations of z: the worst coordinate of a draw. Without an
                         ///< inverse: how far x is moved, in standard deviations of x
  double log_det = 0.0;  ///< error of l, nats
  double log_density = 0.0;  ///< error of a density that comes from outside, nats, at the quarter
                             ///< of the draws where it is largest
};

/// Number of draws that FloatLoss is measured on, rounded up to whole tiles.
inline constexpr Index kFloatLossDraws = 64;

// Where more is lost, draws pile up on few numbers, or the target is not the one that was asked
// for.
inline constexpr double kMostShift = 0x1p-6;
inline constexpr double kMostLogDet = 0.25;  // of log densities too

/// Compares a flow in float with itself in double. It depends on the flow, the width and the
/// density alone. @param density  null if there is none
FloatLoss measure_float_loss(const FlowRecord& record, Index tile_width,
                             const Density* density = nullptr);

/// The precision that a run computes in.
struct Precision {
  std::string name;    ///< "float" or "double"
  std::string reason;  ///< on rank 0: why it is not float, if nobody asked for double
};

/// Decides what --precision auto means: float if that holds the flow's draws. Rank 0 measures.
/// Collective.
/// @throws InputError if the configuration asks for float and that does not hold them
///
/// @param density  of the target; null if it needs none
Precision resolve_precision(const RunConfig& config, const FlowRecord& record,
                            const Density* density, const Communicator& comm);

}  // namespace flotilla
