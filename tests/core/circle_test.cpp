// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/circle.hpp"

#include <gtest/gtest.h>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

constexpr Circle kCircle = {-3.0, 6.0};

TEST(Circle, KeepsItsPointsAndTakesOthersBack) {
  for (const double x : {-3.0, -0.1, 0.0, 2.999}) EXPECT_EQ(kCircle.wrapped(x), x);
  EXPECT_EQ(kCircle.wrapped(3.0), -3.0);
  EXPECT_DOUBLE_EQ(kCircle.wrapped(-3.5), 2.5);
  EXPECT_DOUBLE_EQ(kCircle.wrapped(10.0), -2.0);
}

TEST(Circle, MeasuresTheShortWayRound) {
  EXPECT_DOUBLE_EQ(kCircle.gap(2.5, -2.5), -1.0);
  EXPECT_DOUBLE_EQ(kCircle.gap(-2.5, 2.5), 1.0);
  EXPECT_DOUBLE_EQ(kCircle.gap(1.0, -1.0), 2.0);
  EXPECT_DOUBLE_EQ(Circle{}.gap(2.5, -2.5), 5.0) << "a line has one way";
}

TEST(Circle, IsWrittenAndReadBack) {
  const std::vector<Circle> circles = {kCircle, {}, {0.1, 1.0 / 3.0}};
  EXPECT_EQ(circles_from_text(circles_as_text(circles), 3), circles);
  EXPECT_EQ(circles_as_text({{}, {}}), "");
  EXPECT_EQ(circles_from_text("", 2), std::vector<Circle>(2));
}

TEST(Circle, RefusesTextsThatAreNone) {
  for (const char* text : {"0 -3", "3 -3 6", "-1 -3 6", "0 -3 0", "0 -3 -6", "nothing", "0 a 6"}) {
    EXPECT_THROW(circles_from_text(text, 3), InputError) << text;
  }
}

}  // namespace
}  // namespace flotilla
