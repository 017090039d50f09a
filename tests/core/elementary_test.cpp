// SPDX-License-Identifier: BSD-3-Clause
#include "core/elementary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/exact_functions.hpp"

namespace flotilla {
namespace {

/// |found - exact| in units in the last place of T at `exact`. Below the smallest normal number,
/// its units are used.
template <typename T>
double ulps(T found, long double exact) {
  if (std::isnan(found)) return std::numeric_limits<double>::infinity();
  const int exponent = std::max(std::ilogb(exact), std::numeric_limits<T>::min_exponent - 1);
  const long double unit = std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits + 1);
  return static_cast<double>(std::abs(static_cast<long double>(found) - exact) / unit);
}

/// The largest error over `points` equally spaced arguments, including both ends.
template <typename T, typename Function, typename Truth>
double worst_ulps(T low, T high, int points, Function function, Truth truth) {
  double worst = 0.0;
  for (int k = 0; k < points; ++k) {
    const double share = static_cast<double>(k) / (points - 1);
    const auto x = static_cast<T>(static_cast<double>(low) * (1.0 - share) +
                                  static_cast<double>(high) * share);
    worst = std::max(worst, ulps<T>(function(x), truth(static_cast<long double>(x))));
  }
  return worst;
}

/// The largest error over magnitudes from 2^lowest to 2^highest, of both signs, with many per
/// octave.
template <typename T, typename Function, typename Truth>
double worst_ulps_by_octaves(int lowest, int highest, Function function, Truth truth) {
  double worst = 0.0;
  for (int exponent = lowest; exponent < highest; ++exponent) {
    for (int k = 0; k < 257; ++k) {
      for (const double sign : {-1.0, 1.0}) {
        const auto x = static_cast<T>(sign * std::ldexp(1.0 + k / 257.0, exponent));
        worst = std::max(worst, ulps<T>(function(x), truth(static_cast<long double>(x))));
      }
    }
  }
  return worst;
}

constexpr int kGrid = 400'001;

template <typename T>
class ElementaryOf : public testing::Test {
 protected:
  static constexpr bool kSingle = std::is_same_v<T, float>;
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();
  static constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  static constexpr T kLowest = elementary::Format<T>::kLowest;
  static constexpr T kHighest = elementary::Format<T>::kHighest;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ElementaryOf, Scalars);

// The bound that elementary.hpp states.
TYPED_TEST(ElementaryOf, ExpIsWithinTwoUlpsOverItsWholeRange) {
  using T = TypeParam;
  EXPECT_LE(
      worst_ulps<T>(this->kLowest, this->kHighest, kGrid, elementary::exp<T>, test::exact_exp), 2);
  EXPECT_LE(worst_ulps<T>(-1, 1, kGrid, elementary::exp<T>, test::exact_exp), 2);
  EXPECT_LE(worst_ulps_by_octaves<T>(-100, 6, elementary::exp<T>, test::exact_exp), 2);
}

TYPED_TEST(ElementaryOf, ExpIsZeroBelowItsRangeAndInfiniteAbove) {
  using T = TypeParam;
  EXPECT_EQ(elementary::exp(std::nextafter(this->kLowest, -this->kInfinity)), T{0});
  EXPECT_EQ(elementary::exp(T{-1e30F}), T{0});
  EXPECT_EQ(elementary::exp(-this->kInfinity), T{0});
  EXPECT_EQ(elementary::exp(std::nextafter(this->kHighest, this->kInfinity)), this->kInfinity);
  EXPECT_EQ(elementary::exp(T{1e30F}), this->kInfinity);
  EXPECT_EQ(elementary::exp(this->kInfinity), this->kInfinity);
  EXPECT_EQ(elementary::exp(T{0}), T{1});
  EXPECT_EQ(elementary::exp(T{-0.0F}), T{1});
}

// Three roundings of scale * tail + (scale - 1). Cancellation at most doubles them, near -ln(2)/2
// and ln(2)/2.
TYPED_TEST(ElementaryOf, Expm1KeepsRelativeAccuracyNearZero) {
  using T = TypeParam;
  EXPECT_LE(
      worst_ulps<T>(this->kLowest, this->kHighest, kGrid, elementary::expm1<T>, test::exact_expm1),
      3);
  EXPECT_LE(worst_ulps<T>(-2, 2, kGrid, elementary::expm1<T>, test::exact_expm1), 3);
  EXPECT_LE(worst_ulps_by_octaves<T>(-100, 6, elementary::expm1<T>, test::exact_expm1), 3);
}

TYPED_TEST(ElementaryOf, Expm1HasItsLimits) {
  using T = TypeParam;
  EXPECT_EQ(elementary::expm1(-this->kInfinity), T{-1});
  EXPECT_EQ(elementary::expm1(T{-1e30F}), T{-1});
  EXPECT_EQ(elementary::expm1(this->kInfinity), this->kInfinity);
  EXPECT_EQ(elementary::expm1(T{0}), T{0});
}

// The error of expm1, then one addition and one division.
TYPED_TEST(ElementaryOf, TanhKeepsRelativeAccuracyNearZero) {
  using T = TypeParam;
  EXPECT_LE(worst_ulps<T>(-25, 25, kGrid, elementary::tanh<T>, test::exact_tanh), 4);
  EXPECT_LE(worst_ulps<T>(-1, 1, kGrid, elementary::tanh<T>, test::exact_tanh), 4);
  EXPECT_LE(worst_ulps_by_octaves<T>(-100, 5, elementary::tanh<T>, test::exact_tanh), 4);
}

TYPED_TEST(ElementaryOf, TanhSaturatesAndNeverExceedsOne) {
  using T = TypeParam;
  int checked = 0;
  const T saturated = this->kSingle ? T{10} : T{20};
  for (const T x : {saturated, 2 * saturated, T{100}, T{1e30F}, this->kInfinity}) {
    EXPECT_EQ(elementary::tanh(x), T{1}) << x;
    EXPECT_EQ(elementary::tanh(-x), T{-1}) << x;
    ++checked;
  }
  EXPECT_EQ(checked, 5);
}

TYPED_TEST(ElementaryOf, TanhIsOddAndGrows) {
  using T = TypeParam;
  int falls = 0;
  double largest_asymmetry = 0.0;
  T previous = -1;
  for (int k = 0; k < kGrid; ++k) {
    const auto x = static_cast<T>(-8.0 + 16.0 * k / (kGrid - 1));
    const T y = elementary::tanh(x);
    // Neighbours on the grid may tie. They may also fall by one error of each value.
    if (y < previous - 8 * std::numeric_limits<T>::epsilon()) ++falls;
    previous = y;
    largest_asymmetry =
        std::max(largest_asymmetry, ulps<T>(-elementary::tanh(-x), static_cast<long double>(y)));
  }
  EXPECT_EQ(falls, 0);
  EXPECT_LE(largest_asymmetry, 8);  // twice the error of one value
  EXPECT_EQ(previous, elementary::tanh(T{8}));
}

// The error of exp, one addition, one division. The argument ends where exp(-x) ends.
TYPED_TEST(ElementaryOf, SigmoidKeepsRelativeAccuracyInItsTail) {
  using T = TypeParam;
  const T low = -this->kHighest;
  EXPECT_LE(worst_ulps<T>(low, 40, kGrid, elementary::sigmoid<T>, test::exact_sigmoid), 4);
  EXPECT_LE(worst_ulps<T>(-2, 2, kGrid, elementary::sigmoid<T>, test::exact_sigmoid), 4);
}

TYPED_TEST(ElementaryOf, SigmoidIsZeroAndOneAtTheFarEnds) {
  using T = TypeParam;
  EXPECT_EQ(elementary::sigmoid(this->kInfinity), T{1});
  EXPECT_EQ(elementary::sigmoid(-this->kInfinity), T{0});
  EXPECT_EQ(elementary::sigmoid(T{1e30F}), T{1});
  EXPECT_EQ(elementary::sigmoid(T{-1e30F}), T{0});
  EXPECT_EQ(elementary::sigmoid(T{0}), T{0.5F});
}

// The error of exp, and of a logarithm in double.
TYPED_TEST(ElementaryOf, SoftplusKeepsRelativeAccuracyInItsTail) {
  using T = TypeParam;
  const T low = this->kLowest;  // where exp ends
  EXPECT_LE(worst_ulps<T>(low, 20, kGrid, elementary::softplus<T>, test::exact_softplus), 4);
  EXPECT_LE(worst_ulps<T>(-2, 2, kGrid, elementary::softplus<T>, test::exact_softplus), 4);
}

TYPED_TEST(ElementaryOf, SoftplusIsTheIdentityWherePyTorchTakesItSo) {
  using T = TypeParam;
  for (const T x : {T{20.5F}, T{33}, T{1e30F}, this->kInfinity}) {
    EXPECT_EQ(elementary::softplus(x), x);
  }
  EXPECT_NEAR(elementary::softplus(20.0), 20.0 + 2.06115362e-9, 1e-14);
  EXPECT_EQ(elementary::softplus(-this->kInfinity), T{0});
}

TYPED_TEST(ElementaryOf, NaNStaysNaN) {
  EXPECT_TRUE(std::isnan(elementary::exp(this->kNaN)));
  EXPECT_TRUE(std::isnan(elementary::expm1(this->kNaN)));
  EXPECT_TRUE(std::isnan(elementary::tanh(this->kNaN)));
  EXPECT_TRUE(std::isnan(elementary::sigmoid(this->kNaN)));
  EXPECT_TRUE(std::isnan(elementary::softplus(this->kNaN)));
}

// Two roundings of the series and one of the sum. If the result is below 1, ln x is s alone.
TEST(Elementary, LogIsWithinTwoUlpsOnTheUnitInterval) {
  EXPECT_LE(worst_ulps<double>(0x1p-53, 1.0, kGrid, elementary::log, test::exact_log), 2);
  double worst = 0.0;
  int count = 0;
  for (int exponent = -53; exponent < 1; ++exponent) {  // every octave that contains uniforms
    for (int k = 0; k < 4096; ++k, ++count) {
      const double x = std::ldexp(1.0 + k / 4096.0, exponent);
      if (x == 1.0) continue;
      worst = std::max(worst, ulps<double>(elementary::log(x), test::exact_log(x)));
    }
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(count, 54 * 4096);
}

TEST(Elementary, LogIsAccurateJustBelowAndAboveOne) {
  double worst = 0.0;
  int count = 0;
  for (int k = 1; k <= 100'000; ++k, ++count) {
    const double below = 1.0 - k * 0x1p-53;
    const double above = 1.0 + k * 0x1p-52;
    worst = std::max(worst, ulps<double>(elementary::log(below), test::exact_log(below)));
    worst = std::max(worst, ulps<double>(elementary::log(above), test::exact_log(above)));
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(count, 100'000);
  EXPECT_EQ(elementary::log(1.0), 0.0);
}

TEST(Elementary, LogCoversAllNormalDoubles) {
  double worst = 0.0;
  int count = 0;
  for (int exponent = -1022; exponent < 1024; ++exponent) {
    for (int k = 0; k < 64; ++k, ++count) {
      const double x = std::ldexp(1.0 + (k + 0.5) / 64.0, exponent);
      worst = std::max(worst, ulps<double>(elementary::log(x), test::exact_log(x)));
    }
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(count, 2046 * 64);
}

double sincos_ulps(double u) {
  const elementary::SinCos found = elementary::sincos_turn(u);
  const test::ExactSinCos exact = test::exact_sincos_turn(u);
  return std::max(ulps<double>(found.sin, exact.sin), ulps<double>(found.cos, exact.cos));
}

// The rounded angle is off by one ulp, and so is the result. Two more roundings follow.
TEST(Elementary, SinCosIsWithinThreeUlpsOverTheWholeTurn) {
  double worst = 0.0;
  int count = 0;
  for (int k = 1; k < 1'000'000; ++k, ++count) {
    if (k % 250'000 == 0) continue;  // exact zeros: below
    worst = std::max(worst, sincos_ulps(k * 1e-6));
  }
  EXPECT_LE(worst, 3);
  EXPECT_EQ(count, 999'999);
}

TEST(Elementary, SinCosKeepsRelativeAccuracyAroundItsZeros) {
  double worst = 0.0;
  int count = 0;
  for (const double zero : {0.25, 0.5, 0.75, 1.0}) {
    for (int k = 1; k <= 10'000; ++k, ++count)
      worst = std::max(worst, sincos_ulps(zero - k * 0x1p-53));
  }
  for (int k = 1; k <= 10'000; ++k, ++count) worst = std::max(worst, sincos_ulps(k * 0x1p-53));
  EXPECT_LE(worst, 3);
  EXPECT_EQ(count, 50'000);
}

TEST(Elementary, SinCosIsExactAtQuarterTurns) {
  const elementary::SinCos zero = elementary::sincos_turn(0.0);
  EXPECT_EQ(zero.sin, 0.0);
  EXPECT_EQ(zero.cos, 1.0);
  const elementary::SinCos quarter = elementary::sincos_turn(0.25);
  EXPECT_EQ(quarter.sin, 1.0);
  EXPECT_EQ(quarter.cos, 0.0);
  const elementary::SinCos half = elementary::sincos_turn(0.5);
  EXPECT_EQ(half.sin, 0.0);
  EXPECT_EQ(half.cos, -1.0);
  const elementary::SinCos three_quarters = elementary::sincos_turn(0.75);
  EXPECT_EQ(three_quarters.sin, -1.0);
  EXPECT_EQ(three_quarters.cos, 0.0);
  const elementary::SinCos whole = elementary::sincos_turn(1.0);
  EXPECT_EQ(whole.sin, 0.0);
  EXPECT_EQ(whole.cos, 1.0);
}

TEST(Elementary, LogOfAnyTakesAnyDouble) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(elementary::log_of_any(0.0), -kInfinity);
  EXPECT_EQ(elementary::log_of_any(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(elementary::log_of_any(-1.0)));
  EXPECT_TRUE(std::isnan(elementary::log_of_any(std::nan(""))));
  int tried = 0;
  for (double x = 5e-324; x < 1e308; x *= 1.7, ++tried) {
    const double exact = std::log(x);
    EXPECT_NEAR(elementary::log_of_any(x), exact, 4e-16 * std::max(1.0, std::abs(exact))) << x;
  }
  EXPECT_GT(tried, 2000);
}

template <typename T>
void expect_exact_atan(double most_ulps) {
  double worst = 0.0;
  int tried = 0;
  for (double x = 1e-30; x < 1e30; x *= 1.003, ++tried) {
    const T argument = static_cast<T>(x);
    const long double exact = test::exact_atan(static_cast<long double>(argument));
    worst = std::max(worst, ulps<T>(elementary::atan(argument), exact));
    EXPECT_EQ(elementary::atan(-argument), -elementary::atan(argument)) << x;
  }
  EXPECT_LE(worst, most_ulps);
  EXPECT_GT(tried, 40'000);
  EXPECT_EQ(elementary::atan(T{0}), T{0});
  EXPECT_EQ(elementary::atan(std::numeric_limits<T>::infinity()),
            static_cast<T>(1.57079632679489661923));
  EXPECT_TRUE(std::isnan(elementary::atan(std::numeric_limits<T>::quiet_NaN())));
}

TEST(Elementary, AtanIsAccurateFromEndToEnd) {
  expect_exact_atan<double>(3.0);
  expect_exact_atan<float>(3.0);
}

TEST(Elementary, Log1pIsAccurateNearZeroAndAtTheEnds) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(elementary::log1p(-1.0), -kInfinity);
  EXPECT_EQ(elementary::log1p(kInfinity), kInfinity);
  EXPECT_EQ(elementary::log1p(0.0), 0.0);
  EXPECT_TRUE(std::isnan(elementary::log1p(-1.5)));
  EXPECT_TRUE(std::isnan(elementary::log1p(std::nan(""))));
  int tried = 0;
  for (double t = 1e-300; t < 1e300; t *= 3.1, ++tried) {
    const double exact = std::log1p(t);
    EXPECT_NEAR(elementary::log1p(t), exact, 1e-15 * std::abs(exact)) << t;
    if (t >= 1.0) continue;
    const double below = std::log1p(-t);
    EXPECT_NEAR(elementary::log1p(-t), below, 1e-15 * std::abs(below)) << -t;
  }
  EXPECT_GT(tried, 1000);
}

}  // namespace
}  // namespace flotilla
