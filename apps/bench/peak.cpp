// SPDX-License-Identifier: BSD-3-Clause
#include "peak.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <chrono>

namespace flotilla::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Work per second in the fastest of many short repetitions, over a fifth of a second.
template <typename Work>
double best_rate(double operations, Work work) {
  double best = 0.0;
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(200);
  while (Clock::now() < end) {
    const Clock::time_point begin = Clock::now();
    work();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::max(best, operations / seconds);
  }
  return best;
}

template <typename T>
double gemm_rate(Eigen::Index rows, Eigen::Index depth, Eigen::Index columns) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix a = Matrix::Random(rows, depth);
  const Matrix b = Matrix::Random(depth, columns);
  Matrix c = Matrix::Zero(rows, columns);
  constexpr int kRepeats = 4;
  return best_rate(2.0 * kRepeats * static_cast<double>(rows * depth * columns), [&] {
    for (int i = 0; i < kRepeats; ++i) c.noalias() = a * b;
  });
}

/// Twelve independent sums of one vector each: enough to hide the latency of the multiply-add.
template <typename T>
double fma_rate() {
#if defined(__AVX512F__)
  constexpr int kBytes = 64;
#elif defined(__AVX__)
  constexpr int kBytes = 32;
#else
  constexpr int kBytes = 16;
#endif
  using Vector __attribute__((vector_size(kBytes))) = T;
  constexpr int kSums = 12;
  constexpr int kRounds = 100000;
  Vector sums[kSums] = {};
  Vector factor = Vector{} + static_cast<T>(0.999);
  const double rate =
      best_rate(2.0 * kSums * kRounds * (kBytes / static_cast<double>(sizeof(T))), [&] {
        asm volatile("" : "+x"(factor));  // hides the result from the compiler
        for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
          for (int k = 0; k < kSums; ++k) sums[k] = sums[k] * factor + factor;
        }
        asm volatile("" : : "m"(sums) : "memory");
      });
  return rate;
}

}  // namespace

template <typename T>
Peak measure_peak() {
  return {std::max({gemm_rate<T>(256, 256, 64), gemm_rate<T>(512, 512, 64),
                    gemm_rate<T>(512, 512, 512)}),
          fma_rate<T>()};
}

template Peak measure_peak<float>();
template Peak measure_peak<double>();

}  // namespace flotilla::bench
