// SPDX-License-Identifier: BSD-3-Clause
#include "flow/matrix/packed_matrix.hpp"

#include <algorithm>

#include "core/register_tile.hpp"

namespace flotilla {

template <typename T>
PackedMatrix<T>::PackedMatrix(Index rows, Index cols, const std::vector<double>& values)
    : rows_(rows), cols_(cols), values_(1, rows * cols) {
  T* next = values_.row(0);
  for (Index first_col = 0; first_col < cols; first_col += kDepth) {
    const Index end_col = std::min(first_col + kDepth, cols);
    for (Index first_row = 0; first_row < rows; first_row += kPanelRows) {
      const Index end_row = std::min(first_row + kPanelRows, rows);
      for (Index k = first_col; k < end_col; ++k) {
        for (Index i = first_row; i < end_row; ++i) {
          *next++ = static_cast<T>(values[static_cast<std::size_t>(i * cols + k)]);
        }
      }
    }
  }
}

std::vector<double> transposed(Index rows, Index cols, const std::vector<double>& values) {
  std::vector<double> result(values.size());
  for (Index i = 0; i < rows; ++i) {
    for (Index k = 0; k < cols; ++k) {
      result[static_cast<std::size_t>(k * rows + i)] =
          values[static_cast<std::size_t>(i * cols + k)];
    }
  }
  return result;
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace flotilla
