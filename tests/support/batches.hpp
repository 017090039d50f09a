// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <random>

#include "flotilla/core/batch.hpp"

namespace flotilla::test {

/// Random numbers for parameters and points, the same with every compiler and standard library.
///
/// All are exact in float, so that a layer in float and one in double are the same map.
class NumberStream {
 public:
  explicit NumberStream(std::uint64_t seed) : engine_(seed) {}

  /// Uniform on [-scale, scale].
  double symmetric(double scale);
  /// Uniform on 0 .. bound-1.
  Index below(Index bound);
  /// [rows x cols] of symmetric(scale).
  Eigen::MatrixXd matrix(Index rows, Index cols, double scale);

 private:
  std::mt19937_64 engine_;
};

template <typename T>
Batch<T> to_batch(const Eigen::MatrixXd& matrix);

template <typename T>
Eigen::MatrixXd to_matrix(const Batch<T>& batch);

/// The largest |found - expected| / max(1, |expected|) over all entries.
///
/// It is infinite if an entry is not finite, if the shapes differ, or if there are no entries: a
/// comparison of nothing must not pass.
double largest_deviation(const Eigen::MatrixXd& found, const Eigen::MatrixXd& expected);

/// The number of entries that differ in any bit, including the sign of zero and the payload of NaN.
/// @pre equal shapes, at least one entry
Index differing_bits(const Eigen::MatrixXd& one, const Eigen::MatrixXd& other);

}  // namespace flotilla::test
