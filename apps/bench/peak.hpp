// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla::bench {

/// What one core of this machine does at best, in multiply-adds x 2 per second.
struct Peak {
  double gemm = 0.0;  ///< Eigen's best matrix product of tile-sized and larger operands
  double fma = 0.0;   ///< fused multiply-adds on registers alone: the hardware's limit
};

/// Measures it, in about a second. T is float or double.
template <typename T>
Peak measure_peak();

}  // namespace flotilla::bench
