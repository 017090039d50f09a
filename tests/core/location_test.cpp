// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/location.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flotilla::test {
namespace {

TEST(Location, IsAFileAndADataset) {
  struct Case {
    const char* text;
    Location expected;
  };
  const Case cases[] = {
      {"", {"", ""}},
      {"a.h5", {"a.h5", ""}},
      {"a.hdf5", {"a.hdf5", ""}},
      {"a.h5:x", {"a.h5", "x"}},
      {"a.h5:golden/x", {"a.h5", "golden/x"}},
      {"pts:1.h5", {"pts:1.h5", ""}},
      {"pts:1.h5:x", {"pts:1.h5", "x"}},
      {"runs:old/a.h5:x", {"runs:old/a.h5", "x"}},
      {"points", {"points", ""}},
      {"points:x", {"points", "x"}},
      {"points:", {"points", ""}},
      {"runs:old/points:", {"runs:old/points", ""}},
      {"a.h5:", {"a.h5", ""}},
  };
  int read = 0;
  for (const Case& one : cases) {
    EXPECT_EQ(Location::parse(one.text), one.expected) << one.text;
    ++read;
  }
  EXPECT_EQ(read, 13);
}

TEST(Location, IsWrittenSoThatItReadsBack) {
  int read_back = 0;
  for (const char* path :
       {"a.h5", "pts:1.h5", "runs:old/points", "/data:old/x", "points", "#\"'"}) {
    for (const char* dataset : {"", "x", "golden/x"}) {
      const Location location{path, dataset};
      EXPECT_EQ(Location::parse(location.text()), location) << location.text();
      ++read_back;
    }
  }
  EXPECT_EQ(read_back, 18);
  EXPECT_EQ(Location::parse("a.h5:x").text(), "a.h5:x");
  EXPECT_EQ(Location::parse("a.h5").text(), "a.h5");
}

TEST(Context, IsNumbersOrTheirPlace) {
  using Numbers = std::vector<double>;
  EXPECT_EQ(parse_context(""), ContextSource(Numbers()));
  EXPECT_EQ(parse_context("0.5"), ContextSource(Numbers{0.5}));
  EXPECT_EQ(parse_context("-0.5,1e-3"), ContextSource(Numbers{-0.5, 1e-3}));
  for (const char* place : {"1,two", "1,", ",1", "0.5;1", "0x10", "c.h5:x"}) {
    EXPECT_EQ(parse_context(place), ContextSource(Location::parse(place))) << place;
  }
}

}  // namespace
}  // namespace flotilla::test
