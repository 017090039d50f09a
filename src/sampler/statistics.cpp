// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/statistics.hpp"

#include "flotilla/core/undefined.hpp"

#include <algorithm>
#include <cmath>

namespace flotilla {
namespace {

constexpr double kAcceptanceUnit = 0x1p-24;
constexpr double kJumpUnit = 0x1p-16;
constexpr double kLargestJump = 0x1p20;

std::int64_t to_fixed(double value, double unit) {
  return std::llround(value / unit);
}

double mean(double sum, double unit, double count) {
  return count > 0.0 ? sum * unit / count : kUndefined;
}

}  // namespace

void MoveStatistics::observe(const StepOutcome& outcome, Index chains) {
  for (Index c = 0; c < chains; ++c) {
    const bool global = outcome.global[c];
    const std::int64_t acceptance = to_fixed(outcome.acceptance(0, c), kAcceptanceUnit);
    sums_[global ? kGlobalMoves : kLocalMoves] += 1;
    sums_[global ? kGlobalAcceptance : kLocalAcceptance] += acceptance;
    sums_[kSquaredJump] += to_fixed(std::min(outcome.squared_jump(0, c), kLargestJump), kJumpUnit);
    sums_[kNonFinite] += outcome.diverging[c] ? 1 : 0;
  }
}

void MoveStatistics::merge(const MoveStatistics& other) {
  for (std::size_t i = 0; i < kSize; ++i) sums_[i] += other.sums_[i];
}

void MoveTotals::add(const MoveStatistics& window) {
  constexpr std::int64_t kCarry = std::int64_t{1} << 32U;
  for (std::size_t i = 0; i < low_.size(); ++i) {
    low_[i] += window.sums_[i] % kCarry;
    high_[i] += window.sums_[i] / kCarry + low_[i] / kCarry;
    low_[i] %= kCarry;
  }
}

double MoveTotals::sum(std::size_t slot) const {
  return static_cast<double>(high_[slot]) * 0x1p32 + static_cast<double>(low_[slot]);
}

double MoveTotals::local_acceptance_rate() const {
  return mean(sum(MoveStatistics::kLocalAcceptance), kAcceptanceUnit, local_moves());
}

double MoveTotals::global_acceptance_rate() const {
  return mean(sum(MoveStatistics::kGlobalAcceptance), kAcceptanceUnit, global_moves());
}

double MoveTotals::mean_squared_jump() const {
  return mean(sum(MoveStatistics::kSquaredJump), kJumpUnit, moves());
}

}  // namespace flotilla
