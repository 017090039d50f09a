// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>

namespace flotilla {

/// What a rank spends its time on.
enum class Activity : std::size_t { kFlow, kExchange, kOutput };

/// Wall time of one phase of a run on this rank: in total, and per activity.
class Stopwatch {
 public:
  /// Runs `work`, adds its time to an activity, and returns its result.
  template <typename Work>
  auto measure(Activity activity, Work work) {
    const Booking booking(*this, activity);
    return work();
  }

  double seconds() const { return before_ + since(start_); }
  double seconds(Activity activity) const { return spent_[static_cast<std::size_t>(activity)]; }

  /// Writes the times to an archive, or goes on from there.
  template <typename Archive>
  void archive(Archive& with) {
    double so_far = seconds();
    with(so_far, spent_);
    before_ = so_far;
    start_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  class Booking {
   public:
    Booking(Stopwatch& owner, Activity activity) : owner_(owner), activity_(activity) {}
    Booking(const Booking&) = delete;
    Booking& operator=(const Booking&) = delete;
    ~Booking() { owner_.spent_[static_cast<std::size_t>(activity_)] += since(begin_); }

   private:
    Stopwatch& owner_;
    Activity activity_;
    Clock::time_point begin_ = Clock::now();
  };

  double before_ = 0.0;  ///< of the same phase, by a process that ended
  Clock::time_point start_ = Clock::now();
  std::array<double, 3> spent_{};
};

}  // namespace flotilla
