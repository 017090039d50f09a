// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The error function and its inverse, without tables or the standard library.

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/elementary.hpp"

namespace flotilla::elementary {

/// 2 / (2n + 1) for n = 0 .. N-1.
template <std::size_t N>
constexpr std::array<double, N> twice_inverse_odds() {
  std::array<double, N> values{};
  for (std::size_t n = 0; n < N; ++n) values[n] = 2.0 / static_cast<double>(2 * n + 1);
  return values;
}

/// erf(x). Up to 3 by 2 / sqrt(pi) exp(-x^2) x sum_n (2 x^2)^n / (2n + 1)!!, whose terms are all
/// positive; beyond by 1 - erfc(x), erfc as a continued fraction. To 4 units in the last place.
inline double erf(double x) {
  constexpr double kTwoBySqrtPi = 1.12837916709551257390;
  constexpr double kBySqrtPi = 0.56418958354775628695;
  constexpr std::size_t kTerms = 60;     // of the series up to 3: the remainder is below 2^-60
  constexpr std::size_t kFewTerms = 24;  // up to 1
  constexpr std::array<double, kTerms + 1> kRatio = twice_inverse_odds<kTerms + 1>();
  constexpr int kLevels = 40;  // of the fraction at |x| = 3: erfc to 12 digits, erf to all
  const double magnitude = x < 0.0 ? -x : x;
  const double square = magnitude * magnitude;
  double value = 1.0;
  if (!(magnitude > 3.0)) {
    double series = 1.0;
    for (std::size_t n = magnitude > 1.0 ? kTerms : kFewTerms; n >= 1; --n) {
      series = 1.0 + series * (square * kRatio[n]);
    }
    value = kTwoBySqrtPi * magnitude * exp(-square) * series;
  } else if (magnitude < 6.5) {  // from there on erf rounds to 1
    double tail = magnitude;
    for (int n = kLevels; n >= 1; --n) tail = magnitude + 0.5 * n / tail;
    value = 1.0 - kBySqrtPi * exp(-square) / tail;
  }
  return x < 0.0 ? -value : value;
}

/// The x with erf(x) = p; infinite at -1 and 1, NaN beyond. Four Halley steps from Winitzki's
/// approximation, which is good to 2 in 1000; each step takes the cube of the error.
inline double inverse_erf(double p) {
  constexpr double kSqrtPiByTwo = 0.88622692545275801365;
  constexpr double kWinitzki = 0.147;
  constexpr double kTwoByPi = 0.63661977236758134308;
  const double magnitude = p < 0.0 ? -p : p;
  if (!(magnitude < 1.0)) {
    const double end = magnitude == 1.0 ? std::numeric_limits<double>::infinity()
                                        : std::numeric_limits<double>::quiet_NaN();
    return p < 0.0 ? -end : end;
  }
  const double log_rest = log1p(-magnitude * magnitude);
  const double half = kTwoByPi / kWinitzki + 0.5 * log_rest;
  double x = std::sqrt(std::sqrt(half * half - log_rest / kWinitzki) - half);
  for (int step = 0; step < 4; ++step) {
    const double newton = (erf(x) - magnitude) * kSqrtPiByTwo * exp(x * x);
    x -= newton / (1.0 + x * newton);
  }
  return p < 0.0 ? -x : x;
}

}  // namespace flotilla::elementary
