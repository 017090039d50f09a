// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

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
    if (!pending_.active()) return std::nullopt;
    return pending_.wait();
  }

 private:
  const Communicator* comm_;
  PendingSum pending_;
};

}  // namespace flotilla
