// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/pool.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

constexpr std::uint64_t kStartAttempts = 100;

}  // namespace

Tiling Tiling::share(Index chains, Index tile_width, Index rank, Index ranks) {
  const Index all = (chains + tile_width - 1) / tile_width;
  const Index first = all * rank / ranks;
  return {chains, tile_width, first, all * (rank + 1) / ranks - first};
}

Index Block::draws() const {
  if (thin == 0) return 0;
  const auto begin = static_cast<Index>(first_step - phase_start);
  return (begin + steps) / thin - begin / thin;
}

template <typename T>
Pool<T>::Pool(const Kernel<T>& kernel, const Random& random, const Tiling& tiling)
    : kernel_(&kernel), random_(random), tiling_(tiling) {
  tiles_.reserve(static_cast<std::size_t>(tiling.tiles));
  const Index dim = kernel.flow().dim();
  for (Index t = 0; t < tiling.tiles; ++t) {
    tiles_.emplace_back(dim, tiling.tile_width, kernel.has_memory());
    if (kernel.may_know()) known_.emplace_back(dim, tiling.tile_width);
  }
  scales_.resize(known_.size());
  if (tiling.tiles > 0) workspace_ = Workspace<T>(kernel, tiling.tile_width);
}

template <typename T>
std::uint64_t Pool<T>::first_chain_of(Index tile) const {
  return static_cast<std::uint64_t>((tiling_.first_tile + tile) * tiling_.tile_width);
}

template <typename T>
Index Pool<T>::columns_of(Index tile) const {
  const auto first = static_cast<Index>(first_chain_of(tile));
  return std::min(tiling_.tile_width, tiling_.chains - first);
}

template <typename T>
Index Pool<T>::first_without_density(Index tile) const {
  for (Index c = 0; c < columns_of(tile); ++c) {
    if (!kernel_->can_start(workspace_, c)) return c;
  }
  return -1;
}

template <typename T>
void Pool<T>::draw_starts(std::uint64_t attempt, std::uint64_t first_chain, Index width,
                          const ColumnMask& missing, Batch<T>& z) const {
  const Base<T>& base = kernel_->flow().base();
  if (width == 1) {
    base.sample(random_, Purpose::kStart, attempt, first_chain, missing, z);
    return;
  }
  const auto chains = static_cast<std::uint64_t>(width);
  Batch<T> point(base.dim(), 1);
  std::uint64_t drawn = ~std::uint64_t{0};
  for (Index c = 0; c < z.chains(); ++c) {
    if (!missing[c]) continue;
    const std::uint64_t leader = (first_chain + static_cast<std::uint64_t>(c)) / chains * chains;
    if (leader != drawn) {
      base.sample(random_, Purpose::kStart, attempt, leader, ColumnMask::all(1), point);
    }
    drawn = leader;
    for (Index i = 0; i < base.dim(); ++i) z(i, c) = point(i, 0);
  }
}

template <typename T>
void Pool<T>::start_from_base(Index width) {
  const Base<T>& base = kernel_->flow().base();
  ColumnMask missing(tiling_.tile_width);
  Batch<T> z(base.dim(), tiling_.tile_width);
  for (Index t = 0; t < tiling_.tiles; ++t) {
    workspace_.chains = columns_of(t);
    for (Index c = 0; c < tiling_.tile_width; ++c) missing.set(c, true);
    for (std::uint64_t attempt = 0;; ++attempt) {
      draw_starts(attempt, first_chain_of(t), width, missing, z);
      kernel_->begin(workspace_, z);
      if (first_without_density(t) < 0) break;
      if (attempt + 1 == kStartAttempts) {
        throw InputError(fmt::format(
            "chain {} found no starting point: {} draws of the base density all have a non-finite "
            "log density; verify {}, or start from points",
            first_chain_of(t) + static_cast<std::uint64_t>(first_without_density(t)),
            kStartAttempts, kernel_->target().suspect()));
      }
      for (Index c = 0; c < tiling_.tile_width; ++c) {
        missing.set(c, !kernel_->can_start(workspace_, c));
      }
    }
    kernel_->start_memory(random_, first_chain_of(t), workspace_);
    leave(t, {});
  }
}

template <typename T>
void Pool<T>::start_from(const Tensor& points, Index width) {
  const Index dim = kernel_->flow().dim();
  if (points.shape.size() != 2 || points.shape[1] != dim || points.shape[0] < 1) {
    throw InputError(fmt::format("starting points should have shape [n x {}] but have [{}]", dim,
                                 fmt::join(points.shape, " x ")));
  }
  Batch<T> point(dim, tiling_.tile_width);
  if (!kernel_->flow().has_inverse()) {
    throw InputError(
        "--start needs the flow's inverse, but this flow has none: start from the base density");
  }
  for (Index t = 0; t < tiling_.tiles; ++t) {
    workspace_.chains = columns_of(t);
    const auto first = static_cast<Index>(first_chain_of(t));
    for (Index c = 0; c < tiling_.tile_width; ++c) {
      const Index chain = first + std::min(c, columns_of(t) - 1);  // padding repeats the last chain
      const Index source = chain / width % points.shape[0];
      for (Index i = 0; i < dim; ++i) {
        point(i, c) = static_cast<T>(points.values[static_cast<std::size_t>(source * dim + i)]);
      }
    }
    Point<T>& scratch = workspace_.proposed;
    kernel_->flow().inverse(point, scratch.log_det, scratch.tape);
    kernel_->begin(workspace_, point);
    const Index lost = first_without_density(t);
    if (lost >= 0) {
      throw InputError(fmt::format(
          "starting point {} has a non-finite log density: choose one inside the flow's support",
          (first + lost) / width % points.shape[0]));
    }
    kernel_->start_memory(random_, first_chain_of(t), workspace_);
    leave(t, {});
  }
}

template <typename T>
void Pool<T>::enter(Index tile, const std::vector<double>& scales) {
  const auto t = static_cast<std::size_t>(tile);
  const ChainState<T>& state = tiles_[t];
  workspace_.chains = columns_of(tile);
  if (t < known_.size() && scales_[t] == scales) {
    kernel_->enter(workspace_, state.position, known_[t]);
  } else {
    kernel_->begin(workspace_, state.position, scales);
  }
  workspace_.memory = state.memory;
}

template <typename T>
void Pool<T>::leave(Index tile, const std::vector<double>& scales) {
  const auto t = static_cast<std::size_t>(tile);
  ChainState<T>& state = tiles_[t];
  state.position = workspace_.current.position;
  state.memory = workspace_.memory;
  if (t >= known_.size()) return;
  kernel_->leave(workspace_, scales, known_[t]);
  scales_[t] = scales;
}

template <typename T>
void Pool<T>::restore(Index tile, ChainState<T> state) {
  const auto t = static_cast<std::size_t>(tile);
  tiles_[t] = std::move(state);
  if (t < known_.size()) scales_[t].reset();
}

template <typename T>
void Pool<T>::look(DrawBlock<T>& draws) {
  draws.restart(1);
  for (Index t = 0; t < tiling_.tiles; ++t) {
    enter(t, {});
    draws.store(workspace_, t * tiling_.tile_width, columns_of(t), 0);
  }
}

template <typename T>
MoveStatistics Pool<T>::advance(const Block& block, const Tuning& tuning, DrawBlock<T>& draws) {
  MoveStatistics statistics;
  draws.restart(block.draws());
  for (Index t = 0; t < tiling_.tiles; ++t) {
    const std::uint64_t first_chain = first_chain_of(t);
    enter(t, tuning.scales);
    Index draw = 0;
    for (std::uint64_t step = block.first_step;
         step < block.first_step + static_cast<std::uint64_t>(block.steps); ++step) {
      kernel_->step(random_, step, first_chain, tuning, workspace_);
      statistics.observe(workspace_.outcome, columns_of(t));
      if (block.keeps(step)) draws.store(workspace_, t * tiling_.tile_width, columns_of(t), draw++);
    }
    leave(t, tuning.scales);
  }
  return statistics;
}

template <typename T>
LatentSpread Pool<T>::spread(const std::vector<double>& scales) const {
  LatentSpread spread(kernel_->flow().dim());
  for (Index t = 0; t < tiling_.tiles; ++t) {
    spread.observe(tiles_[static_cast<std::size_t>(t)].position, scales, columns_of(t));
  }
  return spread;
}

template class Pool<float>;
template class Pool<double>;

}  // namespace flotilla
