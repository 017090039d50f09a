// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// Sums a window's statistics over all ranks while the next window is computed: post() returns the
/// sums of the previous call. The lag is always exactly one window: it is part of the method and
/// does not depend on the network.
class StatisticsExchange {
 public:
  /// @param comm  outlives the exchange
  explicit StatisticsExchange(const Communicator& comm) : comm_(&comm) {}

  /// Posts this window's integers and returns the previous window's sums over all ranks; empty on
  /// the first call. Collective.
  std::optional<std::vector<std::int64_t>> post(std::vector<std::int64_t> window) {
    std::optional<std::vector<std::int64_t>> previous = drain();
    pending_ = comm_->begin_sum(std::move(window));
    return previous;
  }

  /// Waits for the last sums and returns them. Collective.
  std::optional<std::vector<std::int64_t>> drain() {
    settle();
    return std::exchange(arrived_, std::nullopt);
  }

  /// Waits for the last sums and keeps them for the next call. Collective.
  void settle() {
    if (pending_.active()) arrived_ = pending_.wait();
  }

  /// Writes what waits for the next call to an archive, or reads it back. @pre settle() was called
  template <typename Archive>
  void archive(Archive& with) {
    with(arrived_);
  }

 private:
  const Communicator* comm_;
  PendingSum pending_;
  std::optional<std::vector<std::int64_t>> arrived_;
};

}  // namespace flotilla
