// SPDX-License-Identifier: BSD-3-Clause
#include "core/error_function.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/exact_functions.hpp"

namespace flotilla {
namespace {

TEST(ErrorFunction, IsAccurateFromEndToEnd) {
  double worst = 0.0;
  int tried = 0;
  for (double x = 1e-300; x < 30.0; x *= 1.0005, ++tried) {
    const double exact = static_cast<double>(test::exact_erf(static_cast<long double>(x)));
    worst = std::max(worst, std::abs(elementary::erf(x) - exact) / exact);
    ASSERT_EQ(elementary::erf(-x), -elementary::erf(x)) << x;
  }
  EXPECT_LE(worst, 4.0 * std::numeric_limits<double>::epsilon());
  EXPECT_GT(tried, 1'000'000);
  EXPECT_EQ(elementary::erf(0.0), 0.0);
  EXPECT_EQ(elementary::erf(std::numeric_limits<double>::infinity()), 1.0);
  EXPECT_TRUE(std::isnan(elementary::erf(std::nan(""))));
}

// A rounding of p moves x by its share of the slope, sqrt(pi) / 2 exp(x^2).
TEST(ErrorFunction, ItsInverseTakesItBack) {
  double worst = 0.0;
  int tried = 0;
  for (double x = 1e-20; x < 5.5; x *= 1.001, ++tried) {
    const double p = elementary::erf(x);
    const double rounding =
        4.0 * (x + p * std::exp(x * x)) * std::numeric_limits<double>::epsilon();
    worst = std::max(worst, std::abs(elementary::inverse_erf(p) - x) / rounding);
    ASSERT_EQ(elementary::inverse_erf(-p), -elementary::inverse_erf(p)) << x;
  }
  EXPECT_LE(worst, 1.0);
  EXPECT_GT(tried, 40'000);
}

TEST(ErrorFunction, ItsInverseEndsAtOne) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(elementary::inverse_erf(0.0), 0.0);
  EXPECT_EQ(elementary::inverse_erf(1.0), kInfinity);
  EXPECT_EQ(elementary::inverse_erf(-1.0), -kInfinity);
  EXPECT_TRUE(std::isnan(elementary::inverse_erf(1.5)));
  EXPECT_TRUE(std::isnan(elementary::inverse_erf(std::nan(""))));
}

}  // namespace
}  // namespace flotilla
