// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/sampler/global_share.hpp"
#include "flotilla/sampler/latent_spread.hpp"
#include "flotilla/sampler/statistics.hpp"
#include "flotilla/sampler/tuning.hpp"

namespace flotilla {

/// The sums of one window of warm-up, over the chains of a rank or of all.
struct WindowSums {
  MoveStatistics moves;
  LatentSpread::Sums spread;  ///< at the window's end; empty where nothing adapts to it

  /// All sums in one row, to be added to those of other ranks; and back.
  std::vector<std::int64_t> row() const;
  static WindowSums of_row(const std::vector<std::int64_t>& row);
};

/// What of a tuning adapts.
struct Adaptive {
  bool step_size = true;
  bool damping = false;
  bool scales = false;
  bool share = false;           ///< of global moves
  bool bounded_weight = false;  ///< of the target, as GlobalShare takes it

  /// Whether the spread of the chains is needed.
  bool spread() const { return damping || scales; }
};

/// Adapts a tuning to the pooled sums of the windows of a warm-up. What is frozen is a function of
/// these sums alone.
class Adaptation {
 public:
  /// @param target  acceptance rate of local moves to aim at, in (0, 1)
  /// @throws InputError if target is not in (0, 1)
  Adaptation(const Tuning& initial, Adaptive adaptive, double target, Index dim);

  /// Whether the sums of a window need the spread of the chains.
  bool needs_spread() const { return adaptive_.spread(); }

  /// The tuning to use until the next update.
  Tuning current() const;

  /// @param used  the step size that the window was run with
  void update(StepSize used, const WindowSums& window);

  /// The tuning to sample with. After it nothing is left that could adapt.
  Tuning freeze() &&;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(step_size_, spread_, share_);
  }

 private:
  /// The same tuning with all but its step size as adapted so far.
  Tuning with(StepSize step_size) const;

  Tuning initial_;
  Adaptive adaptive_;
  StepSizeAdaptation step_size_;
  SpreadAdaptation spread_;
  GlobalShare share_;
};

}  // namespace flotilla
