// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/lu_linear.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/elementary.hpp"
#include "flow/linear/triangular.hpp"

namespace flotilla {
namespace {

// Scratch: the slot of multiply_by(), and a block for the solvers.
constexpr std::size_t kBlock = 1;

double& at(std::vector<double>& matrix, Index dim, Index i, Index j) {
  return matrix[static_cast<std::size_t>(i * dim + j)];
}

void expect_triangular(const LayerReader& reader, const char* name, Index dim,
                       std::vector<double>& matrix, bool lower) {
  for (Index i = 0; i < dim; ++i) {
    for (Index j = 0; j < dim; ++j) {
      const bool outside = lower ? j > i : j < i;
      if (!outside || at(matrix, dim, i, j) == 0.0) continue;
      reader.fail(fmt::format("array '{}' should be {} triangular but holds {} at ({}, {})", name,
                              lower ? "lower" : "upper", at(matrix, dim, i, j), i, j));
    }
    const double diagonal = at(matrix, dim, i, i);
    if (lower && diagonal != 1.0) {
      reader.fail(fmt::format("array 'lower' should have ones on its diagonal but has {} at {}",
                              diagonal, i));
    }
    if (!lower && diagonal == 0.0) {
      reader.fail(fmt::format("array 'upper' is singular: its diagonal is zero at {}", i));
    }
  }
}

std::vector<double> product(Index dim, std::vector<double>& lower, std::vector<double>& upper) {
  std::vector<double> result(lower.size(), 0.0);
  for (Index i = 0; i < dim; ++i) {
    for (Index k = 0; k <= i; ++k) {
      const double factor = at(lower, dim, i, k);
      for (Index j = k; j < dim; ++j) {
        at(result, dim, i, j) += factor * at(upper, dim, k, j);
      }
    }
  }
  return result;
}

}  // namespace

template <typename T>
struct LuLinear<T>::Solvers {
  TriangularSolver<T> lower;
  TriangularSolver<T> upper;
  TriangularSolver<T> lower_transposed;
  TriangularSolver<T> upper_transposed;
};

template <typename T>
LuLinear<T>::LuLinear(const LayerReader& reader) : ConstantJacobian<T>(reader) {
  reader.expect_only({"lower", "upper", "bias", "pixels"});
  const Index dim = this->channels();
  std::vector<double> lower = reader.array("lower", {dim, dim});
  std::vector<double> upper = reader.array("upper", {dim, dim});
  this->set_shift(reader.array("bias", {dim}));
  expect_triangular(reader, "lower", dim, lower, true);
  expect_triangular(reader, "upper", dim, upper, false);
  product_ = PackedPair<T>(dim, dim, product(dim, lower, upper));
  solvers_ = std::make_unique<const Solvers>(
      Solvers{TriangularSolver<T>(Triangle::kLower, dim, lower),
              TriangularSolver<T>(Triangle::kUpper, dim, upper),
              TriangularSolver<T>(Triangle::kUpper, dim, transposed(dim, dim, lower)),
              TriangularSolver<T>(Triangle::kLower, dim, transposed(dim, dim, upper))});
  double log_det = 0.0;
  for (Index i = 0; i < dim; ++i) {
    log_det += elementary::log_of_any(std::abs(at(upper, dim, i, i)));
  }
  this->set_log_det(log_det);
}

template <typename T>
LuLinear<T>::~LuLinear() = default;

template <typename T>
std::vector<Index> LuLinear<T>::scratch_rows() const {
  return {this->channels(), TriangularSolver<T>::kBlockRows};
}

template <typename T>
void LuLinear<T>::apply(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(product_.matrix, tape, rows);
}

template <typename T>
void LuLinear<T>::apply_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  this->multiply_by(product_.transpose, tape, rows);
}

template <typename T>
void LuLinear<T>::solve(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T> block = this->scratch(tape, kBlock, TriangularSolver<T>::kBlockRows);
  solvers_->lower.solve(rows, block);
  solvers_->upper.solve(rows, block);
}

template <typename T>
void LuLinear<T>::solve_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T> block = this->scratch(tape, kBlock, TriangularSolver<T>::kBlockRows);
  solvers_->upper_transposed.solve(rows, block);
  solvers_->lower_transposed.solve(rows, block);
}

template class LuLinear<float>;
template class LuLinear<double>;

}  // namespace flotilla
