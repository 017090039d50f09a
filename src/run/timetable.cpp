// SPDX-License-Identifier: BSD-3-Clause
#include "run/timetable.hpp"

#include <algorithm>

#include "flotilla/run/stopping.hpp"

namespace flotilla {
namespace {

using Seconds = std::chrono::duration<double>;

// Data handed to the operating system survive the death of the program, but not of the machine. So
// they are forced to the disk from time to time.
constexpr Seconds kFlushInterval{10.0};

// Draws that do not fill a chunk yet are written all the same after so long: a kill costs no more.
// It takes a write for every chain, so it cannot be done often.
constexpr Seconds kWriteInterval{60.0};

// A limit of time counts from here: when the program was loaded.
const std::chrono::steady_clock::time_point kProgramStart = std::chrono::steady_clock::now();

constexpr double kBlockSeconds = 1.0;
constexpr double kMostStepsAhead = 0x1p20;

// Time that is left for the end of a run that has a limit: for what the clock of rank 0 cannot see.
constexpr double kReserveSeconds = 2.0;

/// The entries of the row that ranks add up, behind a vote for each reason to stop.
enum Entry : std::size_t { kFlush = kStopReasons.size(), kWrite, kCheckpoint, kSteps, kEntries };

}  // namespace

Timetable::Timetable(const Communicator& comm, const Intervals& intervals)
    : intervals_(intervals),
      is_root_(comm.is_root()),
      exchange_(comm),
      steps_(intervals.least_steps),
      last_flush_(Clock::now()),
      last_write_(last_flush_),
      last_checkpoint_(last_flush_) {}

bool Timetable::time_ends(double block_seconds) const {
  if (intervals_.walltime.count() <= 0.0) return false;
  // This block's wish is granted after the next one.
  const double needed = 2.0 * (block_seconds + checkpoint_seconds_) + kReserveSeconds;
  return Clock::now() - kProgramStart + Seconds(needed) >= intervals_.walltime;
}

std::vector<std::int64_t> Timetable::wishes(Index steps, double seconds) const {
  std::vector<std::int64_t> row(kEntries);
  if (const auto asked = StopSignals::asked()) row[*asked] = 1;
  if (!is_root_) return row;
  const Clock::time_point now = Clock::now();
  if (time_ends(seconds)) row[kStopReasons.size() - 1] = 1;
  const auto due = [&](Clock::time_point last, Seconds interval) {
    return !wished_ && interval.count() > 0.0 && now - last >= interval ? 1 : 0;
  };
  row[kFlush] = due(last_flush_, kFlushInterval);
  row[kWrite] = due(last_write_, kWriteInterval);
  row[kCheckpoint] = due(last_checkpoint_, intervals_.checkpoint);
  const double in_time = kBlockSeconds * static_cast<double>(steps) / std::max(seconds, 1e-9);
  row[kSteps] = static_cast<std::int64_t>(std::min(in_time, kMostStepsAhead));
  return row;
}

Due Timetable::agree(Index steps, double seconds) {
  const std::vector<std::int64_t> row = wishes(steps, seconds);
  wished_ = row[kFlush] + row[kWrite] + row[kCheckpoint] > 0;
  const auto agreed = exchange_.post(row);
  Due due;
  if (!agreed) return due;
  steps_ = std::max<Index>(intervals_.least_steps, (*agreed)[kSteps]);
  due.flush = (*agreed)[kFlush] > 0;
  due.write = (*agreed)[kWrite] > 0;
  due.checkpoint = (*agreed)[kCheckpoint] > 0;
  for (std::size_t i = 0; i < kStopReasons.size(); ++i) {
    if ((*agreed)[i] > 0) due.stop = kStopReasons.at(i).name;
  }
  return due;
}

void Timetable::done(const Due& due, std::optional<double> checkpoint_seconds) {
  const Clock::time_point now = Clock::now();
  if (checkpoint_seconds) {
    checkpoint_seconds_ = *checkpoint_seconds;
    last_checkpoint_ = now;
  }
  if (due.flush || due.write || checkpoint_seconds) last_flush_ = now;
  if (due.write || checkpoint_seconds) last_write_ = now;
}

}  // namespace flotilla
