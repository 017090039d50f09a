// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/adaptation.hpp"

#include <algorithm>
#include <utility>

namespace flotilla {

std::vector<std::int64_t> WindowSums::row() const {
  std::vector<std::int64_t> row(moves.sums().begin(), moves.sums().end());
  row.insert(row.end(), spread.begin(), spread.end());
  return row;
}

WindowSums WindowSums::of_row(const std::vector<std::int64_t>& row) {
  MoveStatistics::Sums sums{};
  const auto end_of_moves = row.begin() + static_cast<std::ptrdiff_t>(sums.size());
  std::copy(row.begin(), end_of_moves, sums.begin());
  return {MoveStatistics(sums), {end_of_moves, row.end()}};
}

Adaptation::Adaptation(const Tuning& initial, Adaptive adaptive, double target, Index dim)
    : initial_(initial),
      adaptive_(adaptive),
      step_size_(initial.step_size, target),
      spread_(dim),
      share_(adaptive.bounded_weight) {}

Tuning Adaptation::with(StepSize step_size) const {
  Tuning tuning = initial_;
  if (adaptive_.step_size) tuning.step_size = step_size;
  if (adaptive_.damping) tuning.damping = spread_.damping();
  if (adaptive_.scales) tuning.scales = spread_.scales();
  if (adaptive_.share) tuning.global_fraction = share_.current();
  return tuning;
}

Tuning Adaptation::current() const {
  return with(step_size_.current());
}

void Adaptation::update(StepSize used, const WindowSums& window) {
  step_size_.update(used, window.moves);
  if (adaptive_.share) share_.update(window.moves);
  if (adaptive_.spread()) spread_.update(window.spread);
}

Tuning Adaptation::freeze() && {
  const StepSize step_size = std::move(step_size_).freeze();
  return with(step_size);
}

}  // namespace flotilla
