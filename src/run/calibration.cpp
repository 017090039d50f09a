#include "run/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/sampler/pool.hpp"

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
double clip_level(const Flow<T>& flow, const Random& random, Index tile_width, double quantile,
                  const Communicator& comm) {
  const Tiling tiling = Tiling::share(kCalibrationDraws, tile_width, comm.rank(), comm.size());
  std::vector<double> own;
  comm.together([&] { own = log_dets(flow, random, tiling); });
  std::vector<double> all = comm.gather(own);
  for (double& value : all) {
    if (std::isnan(value)) value = std::numeric_limits<double>::infinity();
  }
  const auto place = static_cast<Index>(quantile * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), all.begin() + place, all.end());
  const double level = all[static_cast<std::size_t>(place)];
  if (!std::isfinite(level)) {
    throw InputError(
        fmt::format("the {} quantile of log|det J| under the base density is {}: verify the flow, "
                    "or choose a level with --clip-level",
                    quantile, level));
  }
  return level;
}

template double clip_level(const Flow<float>&, const Random&, Index, double, const Communicator&);
template double clip_level(const Flow<double>&, const Random&, Index, double, const Communicator&);

}  // namespace flotilla
