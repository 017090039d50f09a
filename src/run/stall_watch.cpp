// SPDX-License-Identifier: BSD-3-Clause
#include "run/stall_watch.hpp"

#include <fmt/format.h>
#include <signal.h>  // NOLINT: pthread_sigmask

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace flotilla {
namespace {

/// A thread that takes no signals: those are for the thread that computes.
template <typename Work>
std::thread deaf_thread(Work work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(work));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

StallWatch::StallWatch(std::string who, std::chrono::duration<double> timeout)
    : who_(std::move(who)), timeout_(timeout) {
  if (timeout.count() > 0.0) watcher_ = deaf_thread([this] { look(); });
}

StallWatch::~StallWatch() {
  if (!watcher_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  watcher_.join();
}

// It looks a few times in each timeout, in place of being woken at every wait.
void StallWatch::look() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    changed_.wait_for(lock, std::max(timeout_ / 8, std::chrono::duration<double>(0.01)));
    if (!over_ && wait_ && Clock::now() - wait_->since >= timeout_) end(*wait_);
  }
}

void StallWatch::end(const Wait& wait) const {
  fmt::print(
      stderr,
      "flotilla: {} has been {} for {:.0f} seconds, after step {} of the phase, without an "
      "answer of other ranks: one hangs, or its machine is gone; go on with --resume, or wait "
      "longer with --stall-timeout\n",
      who_, wait.doing, std::chrono::duration<double>(Clock::now() - wait.since).count(),
      wait.step);
  std::fflush(nullptr);
  // The other thread is in a call of MPI, which must not be disturbed; the launcher ends the rest.
  std::_Exit(EXIT_FAILURE);
}

StallWatch::Waiting::Waiting(StallWatch& watch, const char* doing, std::int64_t step)
    : watch_(watch) {
  if (!watch.watcher_.joinable()) return;
  const std::lock_guard lock(watch.mutex_);
  watch.wait_ = {doing, step, Clock::now()};
}

StallWatch::Waiting::~Waiting() {
  if (!watch_.watcher_.joinable()) return;
  const std::lock_guard lock(watch_.mutex_);
  watch_.wait_.reset();
}

}  // namespace flotilla
