// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <vector>

#include "flotilla/sampler/step_size.hpp"

namespace flotilla {

/// All that warm-up chooses. In sampling it is fixed.
struct Tuning {
  StepSize step_size;
  /// gamma >= 0, per unit of time: how fast a move with memory forgets its momentum. One step takes
  /// the time eps. 0 never forgets, infinity forgets at each step.
  double damping = 1.0;
  /// sigma > 0 of each latent coordinate, [dim]: local moves are those of z / sigma. Empty: all 1,
  /// as it must be for a kernel that does not take scales.
  std::vector<double> scales = {};
  /// Probability of a global move, in (0, 1), in place of the kernel's own; empty: the kernel's.
  /// @pre the kernel makes moves of both kinds
  std::optional<double> global_fraction = {};

  /// The share alpha in [0, 1] of new noise in the momentum of each step: alpha^2 = 1 - exp(-2 eps
  /// gamma). Source: Hoffman & Sountsov 2022, section 3.
  double refreshment() const;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(step_size, damping, scales, global_fraction);
  }
};

}  // namespace flotilla
