// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "flotilla/sampler/statistics.hpp"

namespace flotilla {

/// The share of global moves that follows from how often they are accepted: a straight line,
/// between a floor and a ceiling. Older windows count less.
///
/// Where the weight pi / q_Z is bounded the line lies farther left: no chain can stick to a point,
/// and global moves are worth more.
///
/// The floor keeps modes connected: only global moves cross between far modes, though they are
/// seldom accepted. Where they never are, as through a flow that has learnt nothing, they connect
/// nothing, and the share sinks below the floor. The ceiling leaves local moves to chains that
/// stand where global ones are hardly ever accepted. Source: src/README.md, adaptation, has how it
/// was measured.
class GlobalShare {
 public:
  static constexpr double kLeast = 0.05;
  static constexpr double kFloor = 0.4;
  static constexpr double kCeiling = 0.9;
  static constexpr double kInitial = kFloor;

  /// @param bounded_weight  whether pi / q_Z of the target is bounded
  explicit GlobalShare(bool bounded_weight = false) : bounded_weight_(bounded_weight) {}

  /// The share that follows from an acceptance rate.
  static double of(double acceptance_rate, bool bounded_weight);

  /// Adapts to the pooled statistics of one window. A window without global moves changes nothing.
  void update(const MoveStatistics& window);

  /// In [kLeast, kCeiling]; kInitial while nothing is known.
  double current() const;

  /// Writes its state to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    with(updates_, moves_, acceptance_);
  }

 private:
  bool bounded_weight_;
  std::uint64_t updates_ = 0;
  double moves_ = 0.0;
  double acceptance_ = 0.0;
};

}  // namespace flotilla
