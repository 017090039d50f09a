// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "parallel/exchange.hpp"

namespace flotilla {

/// What all ranks do at the end of a block, the same on each of them.
struct Due {
  bool flush = false;  ///< force what was written to the disk
  bool write = false;  ///< write draws that do not fill a chunk too
  bool checkpoint = false;
  std::string stop;  ///< why the run stops here, "SIGTERM"; empty: it goes on
};

/// How often things are done, in seconds.
struct Intervals {
  std::chrono::duration<double> checkpoint{0.0};  ///< 0: never
  std::chrono::duration<double> walltime{0.0};    ///< of the whole run; 0: without limit
  Index least_steps = 1;                          ///< of a block, whatever they cost
};

/// Agrees with all ranks on what is due, and on how many steps the next block has. Rank 0's clock
/// decides; any rank may be asked to stop.
///
/// The agreement travels while the next block is computed, so it is about a block old. Blocks take
/// about a second, where steps allow it: a stop then takes two. None of this changes a draw.
class Timetable {
 public:
  Timetable(const Communicator& comm, const Intervals& intervals);

  /// Steps of the next block at most.
  Index steps() const { return steps_; }

  /// Called at the end of every block. Collective.
  /// @param steps    of the block
  /// @param seconds  that they took
  Due agree(Index steps, double seconds);

  /// What was due was done. @param checkpoint  a checkpoint with it, which took so long
  void done(const Due& due, std::optional<double> checkpoint_seconds);

  /// Leaves no agreement under way. Collective.
  void finish() { exchange_.drain(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::vector<std::int64_t> wishes(Index steps, double seconds) const;
  bool time_ends(double block_seconds) const;

  Intervals intervals_;
  bool is_root_;
  StatisticsExchange exchange_;
  Index steps_;
  double checkpoint_seconds_ = 0.0;  ///< that the last one took
  bool wished_ = false;              ///< something is on its way to be agreed on
  Clock::time_point last_flush_;
  Clock::time_point last_write_;
  Clock::time_point last_checkpoint_;
};

}  // namespace flotilla
