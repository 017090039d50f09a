// SPDX-License-Identifier: BSD-3-Clause
#include "io/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace flotilla::test {
namespace {

/// The definition, a bit at a time.
std::uint32_t by_bits(const unsigned char* bytes, std::size_t length) {
  std::uint32_t state = 0xFFFFFFFFU;
  for (std::size_t i = 0; i < 8 * length; ++i) {
    const std::uint32_t bit = (std::uint32_t{bytes[i / 8]} >> (i % 8)) & 1U;
    state = (state >> 1U) ^ (((state ^ bit) & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return state ^ 0xFFFFFFFFU;
}

std::vector<unsigned char> random_bytes(std::size_t count) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<int> byte(0, 255);
  std::vector<unsigned char> bytes(count);
  for (unsigned char& value : bytes) value = static_cast<unsigned char>(byte(generator));
  return bytes;
}

TEST(Crc32c, KnowsTheCheckValueOfTheCatalogues) {
  constexpr std::string_view kText = "123456789";
  EXPECT_EQ(crc32c(kEmptyCrc32c, kText.data(), kText.size()), 0xE3069283U);
  EXPECT_EQ(crc32c(kEmptyCrc32c, nullptr, 0), kEmptyCrc32c);
}

TEST(Crc32c, IsItsDefinitionAtEveryLengthAndPlaceOnEveryProcessor) {
  const std::vector<unsigned char> bytes = random_bytes(90);
  int tried = 0;
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t length = 0; length <= 80; ++length, ++tried) {
      const std::uint32_t expected = by_bits(bytes.data() + begin, length);
      ASSERT_EQ(crc32c(kEmptyCrc32c, bytes.data() + begin, length), expected) << length;
      ASSERT_EQ(crc32c_by_table(kEmptyCrc32c, bytes.data() + begin, length), expected) << length;
    }
  }
  EXPECT_EQ(tried, 9 * 81);
}

TEST(Crc32c, GoesOnWhereATextEnded) {
  const std::vector<unsigned char> bytes = random_bytes(80);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::uint32_t begun = crc32c(kEmptyCrc32c, bytes.data(), cut);
    ASSERT_EQ(crc32c(begun, bytes.data() + cut, bytes.size() - cut),
              by_bits(bytes.data(), bytes.size()));
  }
}

TEST(Crc32c, OfEachIsThatOfOne) {
  constexpr std::size_t kMostTexts = 11;
  constexpr std::size_t kLongest = 29;
  const std::vector<unsigned char> bytes = random_bytes(kMostTexts * (kLongest + 1));
  int tried = 0;
  for (std::size_t texts = 0; texts <= kMostTexts; ++texts) {
    for (std::size_t length = 0; length <= kLongest; ++length) {
      std::vector<std::uint32_t> sums(texts);
      for (std::size_t k = 0; k < texts; ++k) sums[k] = static_cast<std::uint32_t>(k);
      crc32c_of_each(sums.data(), texts, bytes.data(), length + 1, length);
      for (std::size_t k = 0; k < texts; ++k, ++tried) {
        const auto before = static_cast<std::uint32_t>(k);
        ASSERT_EQ(sums[k], crc32c(before, bytes.data() + k * (length + 1), length)) << k;
      }
    }
  }
  EXPECT_EQ(tried, 66 * 30);
}

}  // namespace
}  // namespace flotilla::test
