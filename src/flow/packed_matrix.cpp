#include "flotilla/flow/packed_matrix.hpp"

namespace flotilla {

template <typename T>
PackedMatrix<T>::PackedMatrix(Index rows, Index cols, const std::vector<double>& values)
    : rows_(rows), cols_(cols), panels_((rows + kPanelRows - 1) / kPanelRows, cols * kPanelRows) {
  for (Index i = 0; i < rows; ++i) {
    T* panel = panels_.row(i / kPanelRows);
    for (Index k = 0; k < cols; ++k) {
      panel[k * kPanelRows + i % kPanelRows] =
          static_cast<T>(values[static_cast<std::size_t>(i * cols + k)]);
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
