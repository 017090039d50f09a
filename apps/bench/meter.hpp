// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <benchmark/benchmark.h>

#include <ctime>

#include "flotilla/core/batch.hpp"
#include "peak.hpp"

namespace flotilla::bench {

inline constexpr Index kChains = 64;  // the program's own tile width

/// Counts the work of a benchmark's loop in its own processor time, so that shares are plain
/// numbers.
class Meter {
 public:
  /// @param multiply_adds  of one call, per chain
  Meter(double multiply_adds, const Peak& peak)
      : flops_(2.0 * multiply_adds * static_cast<double>(kChains)), peak_(peak) {}

  void report(benchmark::State& state) const {
    const double seconds = static_cast<double>(std::clock() - begin_) / CLOCKS_PER_SEC;
    const double calls = static_cast<double>(state.iterations()) / seconds;
    state.counters["chain_steps_per_s"] = calls * static_cast<double>(kChains);
    state.counters["gflop_per_s"] = calls * flops_ * 1e-9;
    state.counters["of_gemm_peak"] = calls * flops_ / peak_.gemm;
    state.counters["of_fma_peak"] = calls * flops_ / peak_.fma;
  }

 private:
  double flops_;
  Peak peak_;
  std::clock_t begin_ = std::clock();
};

}  // namespace flotilla::bench
