// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla::test {

// Elementary functions of the C library in long double. Its 64-bit mantissa has 11 bits more than a
// double. They are in a file of their own because of the kernels' compile options: under
// -fno-math-errno GCC replaces the library's exp by an inline one that loses those bits.

long double exact_exp(long double x);
long double exact_expm1(long double x);
long double exact_tanh(long double x);
long double exact_sigmoid(long double x);
long double exact_softplus(long double x);
long double exact_log(long double x);
long double exact_atan(long double x);
long double exact_erf(long double x);
long double exact_normal_cdf(long double x);

struct ExactSinCos {
  long double sin;
  long double cos;
};
/// sin and cos of 2 pi u. Reducing u to an eighth of a turn is exact; reducing 2 pi u would not be.
ExactSinCos exact_sincos_turn(double u);

}  // namespace flotilla::test
