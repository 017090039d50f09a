// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// How far draws of the same chunk length have come: first they wait, then they are written.
///
/// A chunk that is written in one piece is contiguous in the file. One that is cut takes a write
/// for each of its chains.
struct DrawProgress {
  Index total = 0;    ///< draws of each chain
  Index chunk = 1;    ///< draws of a chunk
  Index most = 1;     ///< most draws that may wait, because of the memory
  Index written = 0;  ///< of each chain
  Index waiting = 0;  ///< behind those

  /// Number of draws that wait together: to the end of a chunk, if the memory allows.
  Index room() const { return std::min({most, chunk - written % chunk, total - written}); }
  /// Number of draws that still find room.
  Index left() const { return room() - waiting; }
  void count_as_written() {
    written += waiting;
    waiting = 0;
  }
};

/// The draws of one variable that wait to be written, [chains x room x width], draw by draw.
template <typename V>
class WaitingDraws {
 public:
  WaitingDraws() = default;
  /// @param most   largest room
  /// @param width  values per draw
  WaitingDraws(Index chains, Index most, Index width);

  /// Copies draws behind those that wait. Allocates nothing.
  ///
  /// @param values  [chains x draws x width]
  /// @param first   first draw to copy
  /// @param count   of draws to copy, at most progress.left()
  /// @param sums    [chains], checksums that go on with these draws
  void add(const DrawProgress& progress, const V* values, Index draws, Index first, Index count,
           std::uint32_t* sums);

  /// The draws that wait, [chains x progress.waiting x width]. Draws may be added no more after
  /// this, until these count as written.
  const V* closed_up(const DrawProgress& progress);

 private:
  Index chains_ = 0;
  Index width_ = 1;
  std::vector<V> values_;
};

}  // namespace flotilla
