// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "flotilla/core/circle.hpp"
#include "flotilla/diagnostics/rhat.hpp"
#include "flotilla/parallel/communicator.hpp"
#include "flotilla/run/convergence_report.hpp"
#include "flotilla/sampler/draw_block.hpp"
#include "flotilla/sampler/pool.hpp"

namespace flotilla {

/// Moments of every chain during a run, and R-hat from them. Every draw is looked at once.
///
/// The draws of a chain are kept as moments of windows of equal length. Windows count as chains in
/// R-hat, so a drift shows. Once there are four, neighbours are merged, and later windows are twice
/// as long. So there are two or three windows. Up to a third of the draws are in no window yet.
template <typename T>
class ConvergenceMonitor {
 public:
  /// @param circles           of each coordinate of x; one on a circle counts as two quantities,
  /// its
  ///                          cosine and its sine
  /// @param superchain_width  chains of a superchain; 1 where all start apart
  ConvergenceMonitor(const Tiling& tiling, const std::vector<Circle>& circles,
                     Index superchain_width);

  /// Adds a block of draws.
  void observe(const DrawBlock<T>& block);

  /// Reports how well the chains agree. Each rank merges a share of the quantities, over all
  /// chains in the order of tiles, so that the last bits do not depend on the ranks. Collective.
  ///
  /// @param stretch_ends  a stretch of draws ends here. All stretches have equal length. R-hat
  /// looks
  ///                      at whole stretches alone, the other figures at all draws
  ConvergenceReport report(const Communicator& comm, bool stretch_ends);

  /// Writes what all chains share to an archive, or reads it back.
  template <typename Archive>
  void archive(Archive& with) {
    auto windows = static_cast<std::uint64_t>(windows_.size());
    with(stretches_, length_, draws_, windows);
    if (windows > kMostWindows) windows = kMostWindows;
    windows_.resize(windows, Window(current_.size()));
  }

  /// The same for the chains of a tile, after what all share.
  /// @param tile  counted within this rank
  template <typename Archive>
  void archive_tile(Index tile, Archive& with) {
    for (Window& window : windows_) archive_window(window, tile, with);
    archive_window(current_, tile, with);
  }

 private:
  static constexpr std::size_t kMostWindows = 4;

  /// Moments of all quantities of this rank's chains: [quantity x chain].
  using Window = std::vector<Moments>;

  /// Of one quantity: mean, whether nothing varies (0 or 1), R-hat of windows, effective sample
  /// size, nested R-hat.
  using QuantityFigures = std::array<double, 5>;

  /// Chains of one tile and one superchain; chains of one tile if all chains start apart.
  struct Segment {
    Index first = 0;  ///< first of them, counted within this rank
    Index end = 0;
  };

  /// Records of tiles are equally long, the last one's too.
  template <typename Archive>
  void archive_window(Window& window, Index tile, Archive& with) {
    const Index first = tile * tiling_.tile_width;
    Moments padding;
    for (Index q = 0; q < quantities_; ++q) {
      for (Index c = first; c < first + tiling_.tile_width; ++c) {
        const bool chain = c < tiling_.local_chains();
        with(chain ? window[static_cast<std::size_t>(q * tiling_.local_chains() + c)] : padding);
      }
    }
  }

  /// A draw with the angle's cosine in place of each coordinate on a circle; then the sines.
  const double* quantities_of(const T* x);
  void close_stretch();
  void add_states(Index quantity, const Segment& segment, std::vector<double>& states) const;
  std::vector<double> merge_own(const Communicator& comm, Index first, Index end) const;
  void judge(Index quantity, const QuantityFigures& figures, ConvergenceReport& report) const;

  Tiling tiling_;
  std::vector<Circle> circles_;    ///< of each coordinate
  std::vector<Index> on_circles_;  ///< the coordinates on circles
  Index quantities_;               ///< coordinates of x, lp, and a sine for each on a circle
  std::vector<double> of_draw_;    ///< quantities_of() one, lp left out
  Index superchain_width_;
  std::vector<Segment> segments_;
  std::vector<Window> windows_;
  Window current_;                 ///< the incomplete window
  std::vector<Moments> of_chain_;  ///< a chain's part of it, while draws are observed
  Index stretches_ = 0;            ///< in the incomplete window
  Index length_ = 1;               ///< of a window, in stretches
  Index draws_ = 0;
};

}  // namespace flotilla
