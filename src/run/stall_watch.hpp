// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace flotilla {

/// Ends the program if this rank waits for others for too long: a rank that hangs would keep all of
/// them waiting until the job's time is over. Not collective.
class StallWatch {
 public:
  /// @param who      begins the sentence: "rank 3"; empty for a rank alone
  /// @param timeout  0: waits for ever
  StallWatch(std::string who, std::chrono::duration<double> timeout);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  /// This rank waits while it lives.
  class Waiting {
   public:
    /// @param step  steps of the phase that were made
    Waiting(StallWatch& watch, const char* doing, std::int64_t step);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    StallWatch& watch_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  struct Wait {
    const char* doing;
    std::int64_t step;
    Clock::time_point since;
  };

  void look();
  [[noreturn]] void end(const Wait& wait) const;

  std::string who_;
  std::chrono::duration<double> timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Wait> wait_;
  bool over_ = false;
  std::thread watcher_;
};

}  // namespace flotilla
