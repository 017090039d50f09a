// SPDX-License-Identifier: BSD-3-Clause
#include "core/processor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace flotilla::test {
namespace {

bool is_old(const char* feature) {
  return !std::string_view(feature).starts_with("avx");
}
bool has_all(const char* /*feature*/) {
  return true;
}

std::string sentence(const char* const* needed, bool (*has)(const char*), std::size_t room) {
  std::array<char, 512> text{};
  const std::size_t length = tell_missing_features(needed, has, text.data(), room);
  return {text.data(), length};
}

TEST(Processor, WhatItLacksIsToldInOneSentence) {
  constexpr std::array<const char*, 5> kNeeded = {"sse4.2", "avx2", "popcnt", "avx512f", nullptr};
  EXPECT_EQ(sentence(kNeeded.data(), has_all, 512), "");
  const std::string told = sentence(kNeeded.data(), is_old, 512);
  EXPECT_TRUE(told.starts_with(
      "flotilla: this processor lacks what the program was built for: avx2 avx512f: run it on"))
      << told;
  EXPECT_EQ(told.find('\n'), told.size() - 1);
  EXPECT_EQ(sentence(kNeeded.data(), is_old, 20), told.substr(0, 20));
}

TEST(Processor, ThisOneHasWhatTheLibraryNeeds) {
  // Were one not in the table, no processor would have it.
  for (const char* const* needed = kNeededFeatures; *needed != nullptr; ++needed) {
    EXPECT_TRUE(processor_has(*needed)) << *needed;
  }
  EXPECT_FALSE(processor_has("a third eye"));
}

}  // namespace
}  // namespace flotilla::test
