// SPDX-License-Identifier: BSD-3-Clause
#include "io/draw_checksums.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace flotilla::test {
namespace {

constexpr Index kChains = 13;
constexpr Index kWidth = 4;  // four tiles, the last of one chain
constexpr Index kDraws = 6;
constexpr Index kDim = 3;

std::vector<float> draws_of(Index first_chain, Index chains, Index first, Index count) {
  std::vector<float> values;
  for (Index c = first_chain; c < first_chain + chains; ++c) {
    for (Index i = first * kDim; i < (first + count) * kDim; ++i) {
      values.push_back(static_cast<float>(100 * c + i) / 3.0F);
    }
  }
  return values;
}

std::vector<std::int64_t> entries_of(Index first_chain, Index chains,
                                     const std::vector<Index>& pieces) {
  DrawChecksums sums(chains, kWidth, 2);
  Index made = 0;
  for (const Index piece : pieces) {
    const std::vector<float> values = draws_of(first_chain, chains, made, piece);
    const std::vector<std::int8_t> flags(static_cast<std::size_t>(chains * piece), 1);
    sums.add(0, values.data(), piece * kDim);
    sums.add(1, flags.data(), piece);
    made += piece;
  }
  const std::span<const std::int64_t> entries = sums.entries(made);
  return {entries.begin(), entries.end()};
}

TEST(DrawChecksums, DependNeitherOnThePiecesNorOnWhoHasTheTile) {
  const std::vector<std::int64_t> whole = entries_of(0, kChains, {kDraws});
  ASSERT_EQ(whole.size(), 4U * 2U);
  EXPECT_EQ(entries_of(0, kChains, {1, 3, 2}), whole);
  EXPECT_EQ(entries_of(0, kChains, {1, 1, 1, 1, 1, 1}), whole);
  std::vector<std::int64_t> joined = entries_of(0, 2 * kWidth, {2, 4});
  const std::vector<std::int64_t> rest = entries_of(2 * kWidth, kChains - 2 * kWidth, {5, 1});
  joined.insert(joined.end(), rest.begin(), rest.end());
  EXPECT_EQ(joined, whole);
}

TEST(DrawChecksums, NoticeOneBitAnywhere) {
  const std::vector<float> values = draws_of(0, kWidth, 0, kDraws);
  DrawChecksums sums(kWidth, kWidth, 1);
  sums.add(0, values.data(), kDraws * kDim);
  const std::int64_t good = sums.entries(kDraws)[0];
  const auto* const bytes = reinterpret_cast<const std::int8_t*>(values.data());
  std::vector<std::int8_t> changed(bytes, bytes + values.size() * sizeof(float));
  std::size_t tried = 0;
  for (std::int8_t& byte : changed) {
    for (int bit = 0; bit < 8; ++bit, ++tried) {
      const std::int8_t before = byte;
      byte = static_cast<std::int8_t>(byte ^ (1 << bit));
      sums.restart();
      sums.add(0, changed.data(), kDraws * kDim * Index{sizeof(float)});
      ASSERT_NE(sums.entries(kDraws)[0], good);
      byte = before;
    }
  }
  EXPECT_EQ(tried, values.size() * 32);
}

TEST(DrawChecksums, EntriesAreOneNumber) {
  const DrawChecksum entry = {100, 0xFFFFFFFFU};
  EXPECT_EQ(entry.packed(), (std::int64_t{100} << 32) + 0xFFFFFFFF);
  EXPECT_EQ(DrawChecksum::unpacked(entry.packed()).draws, 100);
  EXPECT_EQ(DrawChecksum::unpacked(entry.packed()).sum, 0xFFFFFFFFU);
  EXPECT_EQ(DrawChecksum::unpacked(0).draws, 0);
}

}  // namespace
}  // namespace flotilla::test
