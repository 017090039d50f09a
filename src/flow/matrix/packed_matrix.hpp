// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// A constant matrix in the order in which the matrix product reads it.
///
/// Columns are cut into blocks. Rows are cut into panels as high as the registers hold. A segment
/// is where a block and a panel meet. A matrix is packed once, when the flow is built, never per
/// product.
template <typename T>
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// @param values  [rows x cols] in C order
  PackedMatrix(Index rows, Index cols, const std::vector<double>& values);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

  /// The rows from first_row on, of the columns from first_col on, column by column.
  ///
  /// @pre first_row begins a panel, first_col a block of `depth` columns
  const T* segment(Index first_row, Index first_col, Index depth) const {
    return values_.row(0) + rows_ * first_col + first_row * depth;
  }

 private:
  Index rows_ = 0;
  Index cols_ = 0;
  Batch<T> values_;
};

/// Transposes a matrix [rows x cols] in C order.
std::vector<double> transposed(Index rows, Index cols, const std::vector<double>& values);

/// A constant matrix and its transpose, both packed for products.
template <typename T>
struct PackedPair {
  PackedPair() = default;
  /// @param values  [rows x cols] in C order
  PackedPair(Index rows, Index cols, const std::vector<double>& values)
      : matrix(rows, cols, values), transpose(cols, rows, transposed(rows, cols, values)) {}

  PackedMatrix<T> matrix;
  PackedMatrix<T> transpose;
};

}  // namespace flotilla
