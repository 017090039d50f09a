// SPDX-License-Identifier: BSD-3-Clause
#include "support/batches.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "flotilla/core/matrix_view.hpp"

namespace flotilla::test {

double NumberStream::symmetric(double scale) {
  const auto whole = static_cast<std::int64_t>(engine_() >> 43U);  // 21 bits
  const double unit = static_cast<double>(whole - (std::int64_t{1} << 20U)) * 0x1p-20;
  return static_cast<double>(static_cast<float>(scale * unit));
}

Index NumberStream::below(Index bound) {
  return static_cast<Index>(engine_() % static_cast<std::uint64_t>(bound));
}

Eigen::MatrixXd NumberStream::matrix(Index rows, Index cols, double scale) {
  Eigen::MatrixXd values(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) values(i, j) = symmetric(scale);
  }
  return values;
}

template <typename T>
Batch<T> to_batch(const Eigen::MatrixXd& matrix) {
  Batch<T> batch(matrix.rows(), matrix.cols());
  matrix_of(batch) = matrix.cast<T>();
  return batch;
}

template <typename T>
Eigen::MatrixXd to_matrix(const Batch<T>& batch) {
  return matrix_of(batch).template cast<double>();
}

double largest_deviation(const Eigen::MatrixXd& found, const Eigen::MatrixXd& expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (found.rows() != expected.rows() || found.cols() != expected.cols()) return kInfinity;
  if (found.size() == 0) return kInfinity;
  double largest = 0.0;
  for (Index j = 0; j < found.cols(); ++j) {
    for (Index i = 0; i < found.rows(); ++i) {
      const double distance = std::abs(found(i, j) - expected(i, j));
      if (!std::isfinite(distance)) return kInfinity;
      largest = std::max(largest, distance / std::max(1.0, std::abs(expected(i, j))));
    }
  }
  return largest;
}

Index differing_bits(const Eigen::MatrixXd& one, const Eigen::MatrixXd& other) {
  if (one.rows() != other.rows() || one.cols() != other.cols() || one.size() == 0) {
    throw std::invalid_argument("differing_bits compares matrices of one shape, and some entries");
  }
  Index count = 0;
  for (Index j = 0; j < one.cols(); ++j) {
    for (Index i = 0; i < one.rows(); ++i) {
      const auto left = std::bit_cast<std::uint64_t>(one(i, j));
      const auto right = std::bit_cast<std::uint64_t>(other(i, j));
      count += left != right ? 1 : 0;
    }
  }
  return count;
}

template Batch<float> to_batch(const Eigen::MatrixXd&);
template Batch<double> to_batch(const Eigen::MatrixXd&);
template Eigen::MatrixXd to_matrix(const Batch<float>&);
template Eigen::MatrixXd to_matrix(const Batch<double>&);

}  // namespace flotilla::test
