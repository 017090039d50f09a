// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/exchange.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace flotilla::test {
namespace {

TEST(StatisticsExchange, ReturnsEachWindowOneWindowLater) {
  const Communicator comm(MPI_COMM_WORLD);
  StatisticsExchange exchange(comm);
  const std::int64_t size = comm.size();
  EXPECT_FALSE(exchange.drain().has_value());
  EXPECT_FALSE(exchange.post({1, comm.rank()}).has_value());
  for (std::int64_t window = 2; window < 20; ++window) {
    // Ranks arrive in any order, late or early. The lag is one window all the same.
    if ((comm.rank() + window) % 2 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const auto summed = exchange.post({window, comm.rank()});
    ASSERT_TRUE(summed.has_value());
    EXPECT_EQ(summed->at(0), (window - 1) * size);
    EXPECT_EQ(summed->at(1), size * (size - 1) / 2);
  }
  const auto last = exchange.drain();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->at(0), 19 * size);
  EXPECT_FALSE(exchange.drain().has_value());
}

TEST(StatisticsExchange, MayEndWithASumUnderWay) {
  const Communicator comm(MPI_COMM_WORLD);
  StatisticsExchange exchange(comm);
  exchange.post({1});
}

}  // namespace
}  // namespace flotilla::test
