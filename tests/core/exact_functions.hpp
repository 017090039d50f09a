// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla::test {

// Elementary functions by the C library in long double, whose 64-bit mantissa leaves 11 bits below
// a double. In a file of their own, without the kernels' compile options: under -fno-math-errno
// GCC replaces the library's exp by an inline one that loses those bits.

long double exact_exp(long double x);
long double exact_expm1(long double x);
long double exact_tanh(long double x);
long double exact_sigmoid(long double x);
long double exact_log(long double x);

struct ExactSinCos {
  long double sin;
  long double cos;
};
/// sin and cos of 2 pi u. The reduction to an eighth of a turn is exact, unlike 2 pi u itself.
ExactSinCos exact_sincos_turn(double u);

}  // namespace flotilla::test
