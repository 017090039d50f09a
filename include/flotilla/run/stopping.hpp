// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <optional>

namespace flotilla {

/// The exit code of a run that was told to stop and can go on: EX_TEMPFAIL of sysexits.h, which
/// batch systems know as "try again".
inline constexpr int kStopped = 75;

/// Why a run may be told to stop.
struct StopReason {
  int signal;  ///< 0: the time that it was given ends
  const char* name;
};
inline constexpr std::array<StopReason, 7> kStopReasons = {{
    {SIGTERM, "SIGTERM"},
    {SIGINT, "SIGINT"},
    {SIGUSR1, "SIGUSR1"},
    {SIGUSR2, "SIGUSR2"},
    {SIGXCPU, "SIGXCPU"},
    {SIGHUP, "SIGHUP"},
    {0, "--max-walltime"},
}};

/// While it lives, the signals of kStopReasons ask a run of this process to stop. One in a process.
///
/// The run stops at the end of a block. A second SIGINT ends the process at once; so does a block
/// that does not end within ten seconds, with the code kStopped: then what was made since the last
/// checkpoint is lost.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// While it lives, something is written that may take long, and no process is ended at once.
  class Unhurried {
   public:
    Unhurried();
    ~Unhurried();
    Unhurried(const Unhurried&) = delete;
    Unhurried& operator=(const Unhurried&) = delete;
  };

  /// The place in kStopReasons of the first signal that came; none if none did.
  static std::optional<std::size_t> asked();
  /// All ranks stop or are at their end, and no process is ended at once any more.
  static void heeded();
};

}  // namespace flotilla
