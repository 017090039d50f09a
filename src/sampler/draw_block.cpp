// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/draw_block.hpp"

#include <cassert>

namespace flotilla {

template <typename T>
DrawBlock<T>::DrawBlock(Index dim, Index chains, Index capacity, bool latent)
    : dim_(dim), chains_(chains) {
  const auto scalars = static_cast<std::size_t>(chains * capacity);
  const std::size_t coordinates = scalars * static_cast<std::size_t>(dim);
  x.resize(coordinates);
  if (latent) z.resize(coordinates);
  log_density.resize(scalars);
  log_det.resize(scalars);
  acceptance.resize(scalars);
  accepted.resize(scalars);
  global.resize(scalars);
  diverging.resize(scalars);
}

template <typename T>
void DrawBlock<T>::restart(Index draws) {
  assert(chains_ * draws <= static_cast<Index>(log_density.size()));
  draws_ = draws;
}

template <typename T>
void DrawBlock<T>::store(const Workspace<T>& workspace, Index first_chain, Index count,
                         Index draw) {
  const Point<T>& point = workspace.current;
  const StepOutcome& outcome = workspace.outcome;
  for (Index c = 0; c < count; ++c) {
    const auto place = static_cast<std::size_t>((first_chain + c) * draws_ + draw);
    log_density[place] = point.log_density(0, c);
    log_det[place] = point.log_det(0, c);
    acceptance[place] = outcome.acceptance(0, c);
    accepted[place] = outcome.accepted[c] ? 1 : 0;
    global[place] = outcome.global[c] ? 1 : 0;
    diverging[place] = outcome.diverging[c] ? 1 : 0;
    const std::size_t first = place * static_cast<std::size_t>(dim_);
    for (Index i = 0; i < dim_; ++i) x[first + static_cast<std::size_t>(i)] = point.x(i, c);
    if (z.empty()) continue;
    for (Index i = 0; i < dim_; ++i) z[first + static_cast<std::size_t>(i)] = point.z(i, c);
  }
}

template class DrawBlock<float>;
template class DrawBlock<double>;

}  // namespace flotilla
