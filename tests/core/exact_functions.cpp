// SPDX-License-Identifier: BSD-3-Clause
#include "core/exact_functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

static_assert(std::numeric_limits<long double>::digits >= 64);

namespace flotilla::test {

long double exact_exp(long double x) {
  return std::exp(x);
}

long double exact_expm1(long double x) {
  return std::expm1(x);
}

long double exact_tanh(long double x) {
  return std::tanh(x);
}

long double exact_sigmoid(long double x) {
  return 1.0L / (1.0L + std::exp(-x));
}

long double exact_softplus(long double x) {
  return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x)));
}

long double exact_log(long double x) {
  return std::log(x);
}

long double exact_atan(long double x) {
  return std::atan(x);
}

long double exact_erf(long double x) {
  return std::erf(x);
}

long double exact_normal_cdf(long double x) {
  return 0.5L * std::erfc(-x / std::numbers::sqrt2_v<long double>);
}

ExactSinCos exact_sincos_turn(double u) {
  const double quarters = std::round(4.0 * u);
  const long double rest = static_cast<long double>(u) - 0.25L * quarters;
  const long double sine = std::sin(2.0L * std::numbers::pi_v<long double> * rest);
  const long double cosine = std::cos(2.0L * std::numbers::pi_v<long double> * rest);
  switch (static_cast<int>(quarters) % 4) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace flotilla::test
