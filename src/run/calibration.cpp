// SPDX-License-Identifier: BSD-3-Clause
#include "run/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "flotilla/sampler/pool.hpp"
#include "flotilla/target/registry.hpp"

namespace flotilla {
namespace {

template <typename T>
std::vector<double> log_dets(const Flow<T>& flow, const Random& random, const Tiling& tiling) {
  std::vector<double> found;
  if (tiling.tiles == 0) return found;
  Batch<T> point(flow.dim(), tiling.tile_width);
  const ColumnMask all = ColumnMask::all(tiling.tile_width);
  PerChain log_det(1, tiling.tile_width);
  Tape<T> tape(flow.tape_shape(), tiling.tile_width);
  for (Index first = tiling.first_chain(); first < tiling.end_chain(); first += tiling.tile_width) {
    flow.base().sample(random, Purpose::kCalibration, 0, static_cast<std::uint64_t>(first), all,
                       point);
    log_det.fill(0.0);
    flow.forward(point, log_det, tape);
    const Index count = std::min(tiling.tile_width, tiling.end_chain() - first);
    found.insert(found.end(), log_det.row(0), log_det.row(0) + count);
  }
  return found;
}

}  // namespace

template <typename T>
double log_det_quantile(const Flow<T>& flow, const Random& random, Index tile_width,
                        double probability, const Communicator& comm) {
  const Tiling tiling = Tiling::share(kCalibrationDraws, tile_width, comm.rank(), comm.size());
  std::vector<double> own;
  comm.together([&] { own = log_dets(flow, random, tiling); });
  std::vector<double> all = comm.gather(own);
  for (double& value : all) {
    if (std::isnan(value)) value = std::numeric_limits<double>::infinity();
  }
  const auto place = static_cast<Index>(probability * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), all.begin() + place, all.end());
  return all[static_cast<std::size_t>(place)];
}

template <typename T>
Specification resolve_target(const RunConfig& config, const Flow<T>& flow,
                             const Communicator& comm) {
  return resolve_target(config.target, [&](double probability) {
    return log_det_quantile(flow, Random(config.seed), config.tile_width, probability, comm);
  });
}

template double log_det_quantile(const Flow<float>&, const Random&, Index, double,
                                 const Communicator&);
template double log_det_quantile(const Flow<double>&, const Random&, Index, double,
                                 const Communicator&);
template Specification resolve_target(const RunConfig&, const Flow<float>&, const Communicator&);
template Specification resolve_target(const RunConfig&, const Flow<double>&, const Communicator&);

}  // namespace flotilla
