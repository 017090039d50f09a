// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// What became of one step of every chain of a tile; all rows [1 x chains].
struct StepOutcome {
  StepOutcome() = default;
  explicit StepOutcome(Index chains)
      : acceptance(1, chains),
        squared_jump(1, chains),
        accepted(chains),
        global(chains),
        diverging(chains) {}

  PerChain acceptance;    ///< acceptance probability, min(1, alpha)
  PerChain squared_jump;  ///< |z_new - z_old|^2, zero where rejected
  ColumnMask accepted;
  ColumnMask global;     ///< a global move was proposed, else a local one
  ColumnMask diverging;  ///< the proposal had a non-finite value somewhere
};

/// Sufficient statistics of moves, as integers: their sum does not depend on the order of adding,
/// so neither does anything that is derived from the sum over ranks.
///
/// Acceptance probabilities are counted in units of 2^-24, squared jumps in units of 2^-16 with one
/// jump capped at 2^20; kMostMoves moves fit into one object, whatever their size.
class MoveStatistics {
 public:
  static constexpr std::size_t kSize = 6;
  static constexpr std::int64_t kMostMoves = std::int64_t{1} << 27U;
  using Sums = std::array<std::int64_t, kSize>;

  MoveStatistics() = default;
  explicit MoveStatistics(const Sums& sums) : sums_(sums) {}

  /// Adds the first `chains` columns; padding is left out.
  void observe(const StepOutcome& outcome, Index chains);
  void merge(const MoveStatistics& other);

  const Sums& sums() const { return sums_; }

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

/// Statistics of any number of windows added up, and the rates that follow from them.
///
/// A long run overflows 64 bits, so sums have more here; they stay integers, and independent of
/// where windows end.
class MoveTotals {
 public:
  MoveTotals() = default;
  explicit MoveTotals(const MoveStatistics& window) { add(window); }

  void add(const MoveStatistics& window);

  double local_moves() const { return sum(MoveStatistics::kLocalMoves); }
  double global_moves() const { return sum(MoveStatistics::kGlobalMoves); }
  double moves() const { return local_moves() + global_moves(); }
  /// Proposals with a non-finite value.
  double non_finite() const { return sum(MoveStatistics::kNonFinite); }
  /// Mean acceptance probability in [0, 1]; NaN where there was no such move.
  double local_acceptance_rate() const;
  double global_acceptance_rate() const;
  /// Mean squared jump in latent space over all moves, rejected ones counting zero; NaN where none.
  double mean_squared_jump() const;

 private:
  double sum(std::size_t slot) const;

  // low_ holds the last 32 bits of each sum, high_ all others.
  std::array<std::int64_t, MoveStatistics::kSize> high_{};
  std::array<std::int64_t, MoveStatistics::kSize> low_{};
};

}  // namespace flotilla
