// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/global_share.hpp"

#include <algorithm>

#include "sampler/window_memory.hpp"

namespace flotilla {
namespace {

// How much the share falls with the acceptance rate, below the rate that reaches the ceiling.
constexpr double kFall = 2.0;
constexpr double kRateOfCeiling = 0.9;
constexpr double kRateOfCeilingBounded = 0.7;  // where weights are bounded

// The rate from which on the floor holds.
constexpr double kRateOfFloor = 0.01;

}  // namespace

void GlobalShare::update(const MoveStatistics& window) {
  const MoveTotals totals(window);
  if (totals.global_moves() == 0.0) return;
  updates_ += 1;
  const double keep = kept_of_windows(updates_);
  moves_ = keep * moves_ + totals.global_moves();
  acceptance_ = keep * acceptance_ + totals.global_moves() * totals.global_acceptance_rate();
}

double GlobalShare::current() const {
  return updates_ == 0 ? kInitial : of(acceptance_ / moves_, bounded_weight_);
}

double GlobalShare::of(double acceptance_rate, bool bounded_weight) {
  const double connecting = std::min(acceptance_rate / kRateOfFloor, 1.0);
  const double lowest = kLeast + connecting * (kFloor - kLeast);
  const double full = bounded_weight ? kRateOfCeilingBounded : kRateOfCeiling;
  return std::clamp(kCeiling - kFall * (full - acceptance_rate), lowest, kCeiling);
}

}  // namespace flotilla
