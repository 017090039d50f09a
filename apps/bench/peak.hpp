// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla::bench {

/// The best that one core of this machine does, in multiply-adds x 2 per second.
struct Peak {
  double gemm = 0.0;  ///< Eigen's fastest matrix product, of operands of a tile's size and larger
  double fma = 0.0;   ///< fused multiply-adds on registers: the hardware's limit
};

/// Measures the peak in about a second. T is float or double.
template <typename T>
Peak measure_peak();

}  // namespace flotilla::bench
