#include "flotilla/sampler/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flotilla {
namespace {

constexpr double kAcceptanceUnit = 0x1p-30;
constexpr double kJumpUnit = 0x1p-20;
constexpr double kLargestJump = 0x1p20;

std::int64_t to_fixed(double value, double unit) {
  return std::llround(value / unit);
}

double mean(std::int64_t sum, double unit, std::int64_t count) {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(sum) * unit / static_cast<double>(count);
}

}  // namespace

void MoveStatistics::observe(const StepOutcome& outcome, Index chains) {
  for (Index c = 0; c < chains; ++c) {
    const bool global = outcome.global[c];
    const bool accepted = outcome.accepted[c];
    const std::int64_t acceptance = to_fixed(outcome.acceptance(0, c), kAcceptanceUnit);
    sums_[global ? kGlobalMoves : kLocalMoves] += 1;
    sums_[global ? kGlobalAcceptance : kLocalAcceptance] += acceptance;
    sums_[global ? kGlobalAccepted : kLocalAccepted] += accepted ? 1 : 0;
    sums_[kSquaredJump] += to_fixed(std::min(outcome.squared_jump(0, c), kLargestJump), kJumpUnit);
    sums_[kNonFinite] += outcome.diverging[c] ? 1 : 0;
  }
}

void MoveStatistics::merge(const MoveStatistics& other) {
  for (std::size_t i = 0; i < kSize; ++i) sums_[i] += other.sums_[i];
}

double MoveStatistics::local_acceptance_rate() const {
  return mean(sums_[kLocalAcceptance], kAcceptanceUnit, local_moves());
}

double MoveStatistics::global_acceptance_rate() const {
  return mean(sums_[kGlobalAcceptance], kAcceptanceUnit, global_moves());
}

double MoveStatistics::mean_squared_jump() const {
  return mean(sums_[kSquaredJump], kJumpUnit, moves());
}

}  // namespace flotilla
