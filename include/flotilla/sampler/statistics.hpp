// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The outcome of one step of every chain of a tile. All rows are [1 x chains].
struct StepOutcome {
  StepOutcome() = default;
  explicit StepOutcome(Index chains)
      : acceptance(1, chains),
        squared_jump(1, chains),
        accepted(chains),
        global(chains),
        diverging(chains) {}

  PerChain acceptance;    ///< acceptance probability, min(1, alpha)
  PerChain squared_jump;  ///< |z_new - z_old|^2; zero if rejected
  ColumnMask accepted;
  ColumnMask global;     ///< the proposal was a global move, else a local one
  ColumnMask diverging;  ///< the proposal had a non-finite value somewhere
};

/// Sufficient statistics of moves, as integers. An integer sum does not depend on the order of
/// adding, so nothing derived from the sum over ranks does either.
///
/// Acceptance probabilities are counted in units of 2^-24. Squared jumps are counted in units of
/// 2^-16; one jump is capped at 2^20. One object holds up to kMostMoves moves of any size.
class MoveStatistics {
 public:
  static constexpr std::size_t kSize = 6;
  static constexpr std::int64_t kMostMoves = std::int64_t{1} << 27U;
  using Sums = std::array<std::int64_t, kSize>;

  MoveStatistics() = default;
  explicit MoveStatistics(const Sums& sums) : sums_(sums) {}

  /// Adds the first `chains` columns; the padding is left out.
  void observe(const StepOutcome& outcome, Index chains);
  /// Adds the moves of another object.
  void merge(const MoveStatistics& other);

  const Sums& sums() const { return sums_; }

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(sums_);
  }

 private:
  friend class MoveTotals;
  enum Slot : std::size_t {
    kLocalMoves,
    kLocalAcceptance,
    kGlobalMoves,
    kGlobalAcceptance,
    kSquaredJump,
    kNonFinite,
  };

  Sums sums_{};
};

/// The sum of the statistics of any number of windows, and the rates that follow from it.
///
/// The sums of a long run overflow 64 bits, so they have more bits here. They are still integers,
/// and do not depend on where windows end.
class MoveTotals {
 public:
  MoveTotals() = default;
  explicit MoveTotals(const MoveStatistics& window) { add(window); }

  /// Adds a window.
  void add(const MoveStatistics& window);

  double local_moves() const { return sum(MoveStatistics::kLocalMoves); }
  double global_moves() const { return sum(MoveStatistics::kGlobalMoves); }
  double moves() const { return local_moves() + global_moves(); }
  /// Number of proposals with a non-finite value.
  double non_finite() const { return sum(MoveStatistics::kNonFinite); }
  /// Mean acceptance probability in [0, 1]; NaN if there was no such move.
  double local_acceptance_rate() const;
  double global_acceptance_rate() const;
  /// Mean squared jump in latent space over all moves; rejected moves count as zero. NaN without
  /// moves.
  double mean_squared_jump() const;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(high_, low_);
  }

 private:
  double sum(std::size_t slot) const;

  // low_ holds the lowest 32 bits of each sum, high_ all others.
  std::array<std::int64_t, MoveStatistics::kSize> high_{};
  std::array<std::int64_t, MoveStatistics::kSize> low_{};
};

}  // namespace flotilla
