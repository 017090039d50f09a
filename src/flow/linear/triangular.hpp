// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Solving with a triangular matrix on a batch. Most of the work is matrix products: a block of rows
// times all that is already known. Within the block it is substitution.

#include <vector>

#include "flow/matrix/packed_matrix.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {

enum class Triangle { kLower, kUpper };

template <typename T>
class TriangularSolver {
 public:
  static constexpr Index kBlockRows = kPanelRows;

  TriangularSolver() = default;

  /// @param values  [dim x dim] in C order; the other triangle is ignored
  TriangularSolver(Triangle triangle, Index dim, const std::vector<double>& values)
      : triangle_(triangle) {
    for (Index first = 0; first < dim; first += kBlockRows) {
      const Index end = std::min(first + kBlockRows, dim);
      const Index from = triangle == Triangle::kLower ? 0 : end;
      const Index to = triangle == Triangle::kLower ? first : dim;
      std::vector<double> known;
      std::vector<T> within;
      for (Index i = first; i < end; ++i) {
        const auto row = values.begin() + i * dim;
        known.insert(known.end(), row + from, row + to);
        for (Index j = first; j < end; ++j) within.push_back(static_cast<T>(row[j]));
      }
      blocks_.push_back({PackedMatrix<T>(end - first, to - from, known), first, from, within});
    }
  }

  /// rows <- A^-1 rows, [dim x chains]. @param scratch  at least [kBlockRows x chains]
  void solve(Batch<T>& rows, Batch<T>& scratch) const {
    for (std::size_t step = 0; step < blocks_.size(); ++step) {
      const bool lower = triangle_ == Triangle::kLower;
      const Block& block = blocks_[lower ? step : blocks_.size() - 1 - step];
      multiply(block.known, rows, block.first_known, scratch, 0, [&](Index r) {
        subtract(T{1}, scratch.row(r), rows.row(block.first + r), rows.stride());
      });
      const Index count = block.known.rows();
      for (Index s = 0; s < count; ++s) substitute(block, lower ? s : count - 1 - s, rows);
    }
  }

 private:
  struct Block {
    PackedMatrix<T> known;  ///< multiplies the rows that are known before the block
    Index first;
    Index first_known;
    std::vector<T> within;  ///< the diagonal block, in C order
  };

  static void subtract(T factor, const T* from, T* row, Index count) {
    for (Index c = 0; c < count; ++c) row[c] -= factor * from[c];
  }

  void substitute(const Block& block, Index r, Batch<T>& rows) const {
    const Index count = block.known.rows();
    const T* factors = block.within.data() + r * count;
    T* row = rows.row(block.first + r);
    const Index begin = triangle_ == Triangle::kLower ? 0 : r + 1;
    const Index end = triangle_ == Triangle::kLower ? r : count;
    for (Index j = begin; j < end; ++j) {
      subtract(factors[j], rows.row(block.first + j), row, rows.stride());
    }
    for (Index c = 0; c < rows.stride(); ++c) row[c] /= factors[r];
  }

  Triangle triangle_ = Triangle::kLower;
  std::vector<Block> blocks_;
};

}  // namespace flotilla
