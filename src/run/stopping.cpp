// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/stopping.hpp"

#include <unistd.h>

#include <atomic>
#include <cstring>

namespace flotilla {
namespace {

constexpr unsigned kSecondsToTheEndOfABlock = 10;
constexpr const char* kGivenUp =
    "flotilla: told to stop, but a block of steps did not end within 10 seconds: the run goes on "
    "from its last checkpoint with --resume\n";

// A handler may touch nothing else.
std::atomic<int> place_asked{-1};
std::atomic<int> unhurried{0};
static_assert(std::atomic<int>::is_always_lock_free);
std::array<struct sigaction, kStopReasons.size()> before;
struct sigaction alarm_before {};

void give_up(int /*signal*/) {
  if (unhurried > 0) {
    alarm(1);
    return;
  }
  const ssize_t ignored = write(STDERR_FILENO, kGivenUp, std::strlen(kGivenUp));
  (void)ignored;
  _exit(kStopped);
}

void ask(int signal) {
  int place = 0;
  while (kStopReasons.at(static_cast<std::size_t>(place)).signal != signal) ++place;
  int none = -1;
  if (place_asked.compare_exchange_strong(none, place)) {
    alarm(kSecondsToTheEndOfABlock);
  } else if (none == place && signal == SIGINT) {
    // Only what is typed: an mpirun repeats the others to ranks that have them already.
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    sigaction(signal, &usual, nullptr);
    raise(signal);
  }
}

}  // namespace

StopSignals::StopSignals() {
  place_asked = -1;
  unhurried = 0;
  struct sigaction action {};
  action.sa_handler = &ask;
  action.sa_flags = SA_RESTART;  // calls of MPI and HDF5 do not expect to be interrupted
  for (std::size_t i = 0; i < kStopReasons.size(); ++i) {
    if (kStopReasons.at(i).signal == 0) continue;
    sigaction(kStopReasons.at(i).signal, nullptr, &before.at(i));
    // nohup, and shells for what runs in the background, have signals ignored.
    if (before.at(i).sa_handler == SIG_IGN) continue;
    sigaction(kStopReasons.at(i).signal, &action, nullptr);
  }
  action.sa_handler = &give_up;
  sigaction(SIGALRM, &action, &alarm_before);
}

StopSignals::~StopSignals() {
  alarm(0);
  place_asked = -1;  // a later run was not asked
  for (std::size_t i = 0; i < kStopReasons.size(); ++i) {
    if (kStopReasons.at(i).signal != 0)
      sigaction(kStopReasons.at(i).signal, &before.at(i), nullptr);
  }
  sigaction(SIGALRM, &alarm_before, nullptr);
}

std::optional<std::size_t> StopSignals::asked() {
  const int place = place_asked;
  if (place < 0) return std::nullopt;
  return static_cast<std::size_t>(place);
}

void StopSignals::heeded() {
  ++unhurried;
  alarm(0);
}

StopSignals::Unhurried::Unhurried() {
  ++unhurried;
}

StopSignals::Unhurried::~Unhurried() {
  --unhurried;
}

}  // namespace flotilla
