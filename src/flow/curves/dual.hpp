// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "core/elementary.hpp"

namespace flotilla {

/// A number and its derivatives by N inputs: automatic differentiation in the forward direction.
template <std::size_t N>
struct Dual {
  double value = 0.0;
  std::array<double, N> by = {};

  /// Input number i of the differentiation.
  static Dual input(double value, std::size_t i) {
    Dual result{value, {}};
    result.by[i] = 1.0;
    return result;
  }
};

/// A function of one or two numbers from its value and its partial derivatives.
template <std::size_t N>
Dual<N> chained(double value, double by_a, const Dual<N>& a) {
  Dual<N> result{value, {}};
  for (std::size_t i = 0; i < N; ++i) result.by[i] = by_a * a.by[i];
  return result;
}
template <std::size_t N>
Dual<N> chained(double value, double by_a, const Dual<N>& a, double by_b, const Dual<N>& b) {
  Dual<N> result{value, {}};
  for (std::size_t i = 0; i < N; ++i) result.by[i] = by_a * a.by[i] + by_b * b.by[i];
  return result;
}

template <std::size_t N>
Dual<N> operator+(const Dual<N>& a, const Dual<N>& b) {
  return chained(a.value + b.value, 1.0, a, 1.0, b);
}
template <std::size_t N>
Dual<N> operator-(const Dual<N>& a, const Dual<N>& b) {
  return chained(a.value - b.value, 1.0, a, -1.0, b);
}
template <std::size_t N>
Dual<N> operator-(double a, const Dual<N>& b) {
  return chained(a - b.value, -1.0, b);
}
template <std::size_t N>
Dual<N> operator*(const Dual<N>& a, const Dual<N>& b) {
  return chained(a.value * b.value, b.value, a, a.value, b);
}
template <std::size_t N>
Dual<N> operator/(const Dual<N>& a, const Dual<N>& b) {
  const double quotient = a.value / b.value;
  return chained(quotient, 1.0 / b.value, a, -quotient / b.value, b);
}
template <std::size_t N>
Dual<N> sqrt(const Dual<N>& a) {
  const double root = std::sqrt(a.value);
  return chained(root, 0.5 / root, a);
}
template <std::size_t N>
Dual<N> log(const Dual<N>& a) {
  return chained(elementary::log_of_any(a.value), 1.0 / a.value, a);
}

}  // namespace flotilla
