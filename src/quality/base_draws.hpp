// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "flotilla/core/random.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/sampler/pool.hpp"
#include "flotilla/target/target.hpp"

namespace flotilla {

/// A tile of draws of q_Z.
struct BaseTile {
  Index count = 0;            ///< of columns that are draws; the others are padding
  const Batch<double>& x;     ///< [dim x tile width], images of the draws
  const PerChain& log_ratio;  ///< log pi - log q_Z; -inf where it is not finite
};

/// Draws from q_Z and evaluates a target, tile by tile. Draw i is chain i of step 0: it depends on
/// seed and purpose alone. Not collective. @param tiling  of the draws
void for_each_base_tile(const Flow<double>& flow, const Target<double>& target,
                        const Random& random, Purpose purpose, const Tiling& tiling,
                        const std::function<void(const BaseTile&)>& visit);

}  // namespace flotilla
