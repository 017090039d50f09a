// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Core>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// A batch seen as an Eigen matrix [dim x chains].
template <typename T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename Matrix>
using MatrixView = Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>;

/// The batch without its padding; no copy. The view shares its memory.
template <typename T>
MatrixView<RowMajorMatrix<T>> matrix_of(Batch<T>& batch) {
  return {batch.data(), batch.dim(), batch.chains(), Eigen::OuterStride<>(batch.stride())};
}
template <typename T>
MatrixView<const RowMajorMatrix<T>> matrix_of(const Batch<T>& batch) {
  return {batch.data(), batch.dim(), batch.chains(), Eigen::OuterStride<>(batch.stride())};
}

}  // namespace flotilla
