// SPDX-License-Identifier: BSD-3-Clause
#include "run/duration.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace flotilla::test {
namespace {

TEST(Duration, IsWhatPeopleAndBatchSystemsWrite) {
  int tried = 0;
  for (const auto& [text, seconds] : {std::pair{"55m", 3300.0},
                                      {"1h30m", 5400.0},
                                      {"3600s", 3600.0},
                                      {"2d", 172800.0},
                                      {"1d2h3m4s", 93784.0},
                                      {"12:00:00", 43200.0},
                                      {"00:00:30", 30.0},
                                      {"1-06:00:00", 108000.0},
                                      {"100:00:00", 360000.0}}) {
    EXPECT_EQ(seconds_of(text), seconds) << text;
    ++tried;
  }
  EXPECT_EQ(tried, 9);
}

TEST(Duration, IsNothingElse) {
  int tried = 0;
  for (const char* text : {"",         "55",     "m",
                           "-5m",      "1.5h",   "5m1h",
                           "5m5m",     "1h 30m", "0s",
                           "00:00:00", "1:2",    "1:60:00",
                           "1:00:60",  "1-2",    "1-2:00:00:00",
                           "x",        "5mm",    "99999999999999999999s",
                           "100000d",  "1h30",   "12:00:00x"}) {
    EXPECT_EQ(seconds_of(text), std::nullopt) << text;
    ++tried;
  }
  EXPECT_EQ(tried, 21);
}

}  // namespace
}  // namespace flotilla::test
