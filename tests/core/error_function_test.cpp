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

/// Errors in units of epsilon: of Phi, and relative to Phi in the lower tail down to `tail`.
template <typename T>
void expect_exact_normal_cdf(double most, double most_in_tail, double tail) {
  constexpr double kEpsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  double worst = 0.0;
  double worst_in_tail = 0.0;
  int tried = 0;
  for (double x = -40.0; x <= 40.0; x += 1.0 / 512.0, ++tried) {
    const auto argument = static_cast<T>(x);
    const auto exact = static_cast<double>(test::exact_normal_cdf(static_cast<long double>(x)));
    const double error = std::abs(static_cast<double>(elementary::normal_cdf(argument)) - exact);
    worst = std::max(worst, error / kEpsilon);
    if (x >= tail && x <= 0.0) worst_in_tail = std::max(worst_in_tail, error / exact / kEpsilon);
  }
  EXPECT_LE(worst, most);
  EXPECT_LE(worst_in_tail, most_in_tail);
  EXPECT_EQ(tried, 80 * 512 + 1);
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  EXPECT_EQ(elementary::normal_cdf(-kInfinity), T{0});
  EXPECT_EQ(elementary::normal_cdf(kInfinity), T{1});
  EXPECT_TRUE(std::isnan(elementary::normal_cdf(std::numeric_limits<T>::quiet_NaN())));
}

TEST(ErrorFunction, NormalDistributionFunctionIsAccurate) {
  expect_exact_normal_cdf<double>(2.0, 30.0, -6.0);
  expect_exact_normal_cdf<float>(2.0, 30.0, -6.0);
}

}  // namespace
}  // namespace flotilla
