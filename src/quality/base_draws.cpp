// SPDX-License-Identifier: BSD-3-Clause
#include "quality/base_draws.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flotilla {

void for_each_base_tile(const Flow<double>& flow, const Target<double>& target,
                        const Random& random, Purpose purpose, const Tiling& tiling,
                        const std::function<void(const BaseTile&)>& visit) {
  const Index width = tiling.tile_width;
  Batch<double> z(flow.dim(), width);
  Batch<double> x(flow.dim(), width);
  Cotangents<double> cotangents(flow.dim(), width);
  cotangents.wants_x_bar = false;
  PerChain log_det(1, width);
  PerChain log_ratio(1, width);
  PerChain base_density(1, width);
  Tape<double> tape(flow.tape_shape(), width);
  const ColumnMask all = ColumnMask::all(width);
  for (Index first = tiling.first_chain(); first < tiling.end_chain(); first += width) {
    flow.base().sample(random, purpose, 0, static_cast<std::uint64_t>(first), all, z);
    x = z;
    log_det.fill(0.0);
    flow.forward(x, log_det, tape);
    target.evaluate(z, x, log_det, log_ratio, cotangents);
    base_density.fill(0.0);
    flow.base().add_log_density(z, 1.0, base_density);
    for (Index c = 0; c < width; ++c) {
      log_ratio(0, c) -= base_density(0, c);
      if (std::isfinite(log_ratio(0, c))) continue;
      log_ratio(0, c) = -std::numeric_limits<double>::infinity();
    }
    visit({std::min(width, tiling.end_chain() - first), x, log_ratio});
  }
}

}  // namespace flotilla
