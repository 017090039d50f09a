// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/diagnostics/rhat.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "flotilla/sampler/draw_block.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// Moments of every chain while a run goes on, and R-hat from them: no draw is looked at twice.
///
/// A chain's draws are kept as moments of windows of equal length, which count as chains of their
/// own in R-hat: a drift shows. When there would be four, neighbours are merged, and later windows
/// are twice as long; so there are two or three, and up to a third of the draws is in none yet.
template <typename T>
class ConvergenceMonitor {
 public:
  /// @param superchain_width  chains of a superchain; 1 where all start apart
  ConvergenceMonitor(const Tiling& tiling, Index dim, Index superchain_width);

  /// Adds a block's draws.
  void observe(const DrawBlock<T>& block);

  /// Ends a stretch of draws, as long as every other, and says how the chains agree. Collective.
  /// Partial sums are merged tile by tile, in the order of tiles, whoever owns them.
  ConvergenceReport report(const Communicator& comm);

 private:
  /// Moments of all quantities of this rank's chains: [quantity x chain].
  using Window = std::vector<Moments>;

  /// Chains of one tile and one superchain, or of one tile where chains start apart.
  struct Segment {
    Index first = 0;  ///< of this rank's chains
    Index end = 0;
  };

  void close_stretch();
  void add_states(Index quantity, const Segment& segment, std::vector<double>& states) const;
  void judge(Index quantity, Rhat split, Rhat whole, double nested,
             ConvergenceReport& report) const;

  Tiling tiling_;
  Index quantities_;  ///< coordinates and lp
  Index superchain_width_;
  std::vector<Segment> segments_;
  std::vector<Window> windows_;
  Window current_;       ///< the window under way
  Index stretches_ = 0;  ///< in the window under way
  Index length_ = 1;     ///< stretches of a window
  Index draws_ = 0;
};

}  // namespace flotilla
