// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/parallel/communicator.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <new>
#include <string>
#include <vector>

#include "flotilla/core/crashes.hpp"
#include "flotilla/parallel/last_words.hpp"

namespace flotilla::test {
namespace {

class CommunicatorTest : public testing::Test {
 protected:
  bool is_last() const { return comm_.rank() == comm_.size() - 1; }
  Communicator comm_{MPI_COMM_WORLD};
};

TEST_F(CommunicatorTest, BroadcastsBytesOfAnyKindAndSize) {
  int tried = 0;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{5000000}}) {
    std::string expected(size, '\0');
    for (std::size_t i = 0; i < size; ++i) expected[i] = static_cast<char>(i * 37 % 251);
    std::string bytes = comm_.is_root() ? expected : "what was here before";
    comm_.broadcast(bytes);
    EXPECT_TRUE(bytes == expected) << size;
    ++tried;
  }
  EXPECT_EQ(tried, 3);
}

TEST_F(CommunicatorTest, GathersInTheOrderOfRanksEvenFromIdleOnes) {
  // Rank r has r values: rank 0 has none.
  const std::vector<double> all =
      comm_.gather(std::vector<double>(static_cast<std::size_t>(comm_.rank()), comm_.rank()));
  std::vector<double> expected;
  for (int r = 0; r < comm_.size(); ++r) {
    expected.insert(expected.end(), static_cast<std::size_t>(r), r);
  }
  EXPECT_EQ(all, expected);
}

TEST_F(CommunicatorTest, ExchangesPartsInTheOrderOfRanksEmptyOnesToo) {
  // Rank s sends r numbers to rank r, s each.
  std::vector<double> values;
  std::vector<int> counts;
  for (int r = 0; r < comm_.size(); ++r) {
    values.insert(values.end(), static_cast<std::size_t>(r), comm_.rank());
    counts.push_back(r);
  }
  std::vector<double> expected;
  for (int s = 0; s < comm_.size(); ++s) {
    expected.insert(expected.end(), static_cast<std::size_t>(comm_.rank()), s);
  }
  EXPECT_EQ(comm_.exchange(values, counts), expected);
}

TEST_F(CommunicatorTest, AgreesOnlyWhereAllDo) {
  EXPECT_TRUE(comm_.all_agree(true));
  EXPECT_FALSE(comm_.all_agree(!is_last()));
  EXPECT_EQ(comm_.largest(comm_.rank()), comm_.size() - 1);
  EXPECT_EQ(comm_.mean(2.0 * comm_.rank()), comm_.size() - 1);
}

TEST_F(CommunicatorTest, SumsIntegersExactly) {
  constexpr std::int64_t kLarge = (std::int64_t{1} << 53) + 1;  // no double can hold it
  PendingSum pending = comm_.begin_sum({kLarge, comm_.rank(), -1});
  const std::vector<std::int64_t> sums = pending.wait();
  const std::int64_t size = comm_.size();
  EXPECT_EQ(sums, (std::vector<std::int64_t>{size * kLarge, size * (size - 1) / 2, -size}));
  EXPECT_FALSE(pending.active());
}

// The ranks of a test are all on one machine.
TEST_F(CommunicatorTest, LetsOneRankSayWhyAllEnd) {
  for (int time = 0; time < 2; ++time) {  // a new flag each time
    const LastWords last_words(comm_);
    const bool first = claim_last_words();
    const bool again = claim_last_words();
    PendingSum speaking = comm_.begin_sum({first ? 1 : 0, again ? 1 : 0});
    EXPECT_EQ(speaking.wait(), (std::vector<std::int64_t>{1, 0}));
  }
}

TEST_F(CommunicatorTest, ThrowsOnEveryRankWhatOneRankThrew) {
  const int culprit = comm_.size() / 2;
  int tried = 0;
  try {
    comm_.together([&] {
      if (comm_.rank() == culprit) throw InputError("rank " + std::to_string(culprit));
    });
  } catch (const InputError& error) {
    EXPECT_EQ(error.what(), "rank " + std::to_string(culprit));
    ++tried;
  }
  EXPECT_EQ(tried, 1);
  const auto fails_with = [&](const auto& failure) {
    comm_.together([&] {
      if (is_last()) throw failure;
    });
  };
  EXPECT_THROW(fails_with(Hdf5Error("disk")), Hdf5Error);
  EXPECT_THROW(fails_with(MpiError("network")), MpiError);
  EXPECT_THROW(fails_with(std::bad_alloc()), EnvironmentError);
  EXPECT_NO_THROW(comm_.together([] {}));
}

TEST_F(CommunicatorTest, ThrowsTheLowestRanksErrorWhereAllFail) {
  try {
    comm_.together([&] { throw InputError("rank " + std::to_string(comm_.rank())); });
    FAIL() << "nothing was thrown";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "rank 0");
  }
}

}  // namespace
}  // namespace flotilla::test
