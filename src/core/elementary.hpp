// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Elementary functions without branches, tables or the standard library. Loops over them vectorise,
// and their bits depend on IEEE arithmetic alone. Every series is a Taylor series on a reduced
// interval, up to the degree at which its remainder is below the rounding error.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace flotilla::elementary {

/// Constants of exp for a floating-point format.
template <typename T>
struct Format;

template <>
struct Format<float> {
  using Bits = std::int32_t;
  static constexpr int kMantissa = 23;
  static constexpr Bits kBias = 127;
  static constexpr float kRound =
      0x1.8p23F;  // adding it leaves the nearest integer in the low bits
  static constexpr float kLn2High = 0x1.62e4p-1F;  // few bits, so that n * kLn2High is exact
  static constexpr float kLn2Low = 0x1.7f7d1cp-20F;
  static constexpr float kLowest = -87.0F;  // exp of this is still normal
  static constexpr float kHighest = 88.0F;
  static constexpr int kDegree = 7;
};

template <>
struct Format<double> {
  using Bits = std::int64_t;
  static constexpr int kMantissa = 52;
  static constexpr Bits kBias = 1023;
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kLn2High = 0x1.62e42fefa3800p-1;
  static constexpr double kLn2Low = 0x1.ef35793c76730p-45;
  static constexpr double kLowest = -708.0;
  static constexpr double kHighest = 709.0;
  static constexpr int kDegree = 13;
};

/// 1/k! for k = 0 .. N-1.
template <typename T, std::size_t N>
constexpr std::array<T, N> inverse_factorials() {
  std::array<T, N> values{};
  double factorial = 1.0;
  for (std::size_t k = 0; k < N; ++k) {
    values[k] = static_cast<T>(1.0 / factorial);
    factorial *= static_cast<double>(k + 1);
  }
  return values;
}

/// exp(x) - 1 = scale * tail + (scale - 1). scale is a power of two, tail = exp(r) - 1, and the
/// reduced argument has |r| <= ln(2)/2. @pre kLowest <= x <= kHighest, or NaN
template <typename T>
struct Reduced {
  T scale;
  T tail;
};

template <typename T>
inline Reduced<T> reduce_exp(T x) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr T kLog2E = static_cast<T>(1.4426950408889634074);
  constexpr std::array<T, F::kDegree + 1> kCoefficient = inverse_factorials<T, F::kDegree + 1>();

  const T shifted = x * kLog2E + F::kRound;
  const T n = shifted - F::kRound;
  const T r = (x - n * F::kLn2High) - n * F::kLn2Low;
  T series = kCoefficient[F::kDegree];
  for (int k = F::kDegree - 1; k >= 2; --k)
    series = series * r + kCoefficient[static_cast<std::size_t>(k)];
  const T tail = r + r * r * series;
  const Bits exponent = std::bit_cast<Bits>(shifted) - std::bit_cast<Bits>(F::kRound) + F::kBias;
  return {std::bit_cast<T>(static_cast<Bits>(exponent << F::kMantissa)), tail};
}

template <typename T>
inline T clamp(T x, T low, T high) {
  const T above = x < low ? low : x;  // NaN compares false and stays NaN
  return above > high ? high : above;
}

/// exp(x) to 2 units in the last place; 0 below the normal range, infinite above kHighest.
template <typename T>
inline T exp(T x) {
  using F = Format<T>;
  const Reduced<T> e = reduce_exp(clamp(x, F::kLowest, F::kHighest));
  const T value = e.scale + e.scale * e.tail;
  const T bounded = x > F::kHighest ? std::numeric_limits<T>::infinity() : value;
  return x < F::kLowest ? T{0} : bounded;
}

/// exp(x) - 1, accurate near zero.
template <typename T>
inline T expm1(T x) {
  using F = Format<T>;
  const Reduced<T> e = reduce_exp(clamp(x, F::kLowest, F::kHighest));
  const T value = e.scale * e.tail + (e.scale - T{1});
  return x > F::kHighest ? std::numeric_limits<T>::infinity() : value;
}

/// tanh(x) = m / (m + 2), m = exp(2x) - 1.
template <typename T>
inline T tanh(T x) {
  constexpr T kSaturated = std::is_same_v<T, float> ? T{10} : T{20};  // from here on tanh rounds to
                                                                      // 1
  const Reduced<T> e = reduce_exp(T{2} * clamp(x, -kSaturated, kSaturated));
  const T m = e.scale * e.tail + (e.scale - T{1});
  return m / (m + T{2});
}

/// 1 / (1 + exp(-x)); 0 and 1 at the far ends. NaN only if x is NaN.
template <typename T>
inline T sigmoid(T x) {
  return T{1} / (T{1} + exp(-x));
}

/// Natural logarithm of a positive, normal double: 2 atanh((m-1)/(m+1)) + n ln 2.
inline double log(double x) {
  constexpr std::int64_t kSqrtHalf = std::bit_cast<std::int64_t>(0.70710678118654752440);
  const auto bits = std::bit_cast<std::int64_t>(x);
  const std::int64_t n = (bits - kSqrtHalf) >> 52;  // then m is in [sqrt(1/2), sqrt(2))
  const double m = std::bit_cast<double>(bits - (n << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double square = s * s;
  double series = 1.0 / 23.0;
  for (int k = 21; k >= 3; k -= 2) series = series * square + 1.0 / k;
  const auto exponent = static_cast<double>(n);
  const double fraction = 2.0 * s + 2.0 * s * square * series;
  return exponent * Format<double>::kLn2High + (exponent * Format<double>::kLn2Low + fraction);
}

/// Natural logarithm of any double: -inf at zero, NaN below.
inline double log_of_any(double x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool subnormal = x < 0x1p-1022;
  const double value =
      log(subnormal ? x * 0x1p54 : x) - (subnormal ? 54.0 * 0.69314718055994530942 : 0.0);
  const double at_zero = x == 0.0 ? -kInfinity : std::numeric_limits<double>::quiet_NaN();
  const double checked = x > 0.0 ? value : at_zero;
  return x == kInfinity ? x : checked;
}

/// log(1 + t), accurate near zero; -inf at -1, NaN below.
inline double log1p(double t) {
  const double u = 1.0 + t;  // the factor t / (u - 1) undoes its rounding error
  return u == 1.0 || u == std::numeric_limits<double>::infinity() ? t
                                                                  : log_of_any(u) * (t / (u - 1.0));
}

/// Above it PyTorch's softplus is the identity, by at most 2e-9; so is ours, or a flow that was
/// trained there would be another one.
inline constexpr double kSoftplusThreshold = 20.0;

/// log(1 + exp(x)), without overflow on either side; x above kSoftplusThreshold.
template <typename T>
inline T softplus(T x) {
  const T magnitude = x < T{0} ? -x : x;
  const T above = x > T{0} ? x : T{0};
  const T tail = static_cast<T>(log1p(static_cast<double>(exp(-magnitude))));
  return above + (x > static_cast<T>(kSoftplusThreshold) ? T{0} : tail);
}

/// arctan(x) in [-pi/2, pi/2]. The argument is reduced to |t| <= tan(pi/8): from above 1 by 1 / x,
/// from above tan(pi/8) by (x - 1) / (x + 1).
template <typename T>
inline T atan(T x) {
  constexpr int kTerms = std::is_same_v<T, float> ? 10 : 21;
  constexpr T kHalfPi = static_cast<T>(1.57079632679489661923);
  constexpr T kQuarterPi = static_cast<T>(0.78539816339744830962);
  const T magnitude = x < T{0} ? -x : x;
  const bool beyond = magnitude > T{1};
  const T below = beyond ? T{1} / magnitude : magnitude;
  const bool wide = below > static_cast<T>(0.41421356237309504880);
  const T t = wide ? (below - T{1}) / (below + T{1}) : below;
  const T minus_square = -t * t;
  T series = T{1} / static_cast<T>(2 * kTerms + 1);
  for (int k = kTerms - 1; k >= 1; --k) {
    series = series * minus_square + T{1} / static_cast<T>(2 * k + 1);
  }
  const T near_zero = t + t * minus_square * series;
  const T first = wide ? kQuarterPi + near_zero : near_zero;
  const T value = beyond ? kHalfPi - first : first;
  return x < T{0} ? -value : value;
}

/// sin and cos of 2 pi u; u is a fraction of a turn.
struct SinCos {
  double sin;
  double cos;
};

/// @pre 0 <= u <= 1. The reduction to an eighth of a turn is exact.
inline SinCos sincos_turn(double u) {
  constexpr double kTwoPi = 6.28318530717958647692;
  constexpr std::array<double, 20> kCoefficient = inverse_factorials<double, 20>();
  const double shifted = 4.0 * u + Format<double>::kRound;
  const double quarters = shifted - Format<double>::kRound;
  const auto quadrant = std::bit_cast<std::int64_t>(shifted) & 3;
  const double t = kTwoPi * (u - 0.25 * quarters);
  const double minus_square = -t * t;
  double odd = kCoefficient[19];
  double even = kCoefficient[18];
  for (std::size_t k = 17; k >= 3; k -= 2) odd = odd * minus_square + kCoefficient[k];
  for (std::size_t k = 16; k >= 2; k -= 2) even = even * minus_square + kCoefficient[k];
  const double sine = t + t * minus_square * odd;
  const double cosine = 1.0 + minus_square * even;
  const bool swap = (quadrant & 1) != 0;
  const double first = swap ? cosine : sine;
  const double second = swap ? sine : cosine;
  return {(quadrant & 2) != 0 ? -first : first, ((quadrant + 1) & 2) != 0 ? -second : second};
}

}  // namespace flotilla::elementary
