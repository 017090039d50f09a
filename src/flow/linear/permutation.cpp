// SPDX-License-Identifier: BSD-3-Clause
#include "flow/linear/permutation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flow/coordinates/image.hpp"

namespace flotilla {
namespace {

std::vector<Index> read_indices(const LayerReader& reader) {
  reader.expect_only({"indices", "pixels"});
  const Index channels = reader.dim() / reader.count_or("pixels", 1);
  std::vector<Index> indices = reader.whole_numbers("indices", channels);
  std::vector<bool> seen(indices.size(), false);
  for (const Index index : indices) {
    if (index >= channels || seen[static_cast<std::size_t>(index)]) {
      reader.fail(fmt::format("array 'indices' is no permutation: {} is repeated or not below {}",
                              index, channels));
    }
    seen[static_cast<std::size_t>(index)] = true;
  }
  return indices;
}

std::vector<Index> squeezed_indices(const LayerReader& reader) {
  reader.expect_only({"image"});
  const Image image = read_image(reader);
  if (image.rows % 2 != 0 || image.columns % 2 != 0) {
    reader.fail(fmt::format("array 'image' should have even rows and columns but has {} x {}",
                            image.rows, image.columns));
  }
  std::vector<Index> indices;
  indices.reserve(static_cast<std::size_t>(reader.dim()));
  for (Index channel = 0; channel < 4 * image.channels; ++channel) {
    const Index in_block_row = channel / 2 % 2;
    const Index in_block_column = channel % 2;
    for (Index row = in_block_row; row < image.rows; row += 2) {
      for (Index column = in_block_column; column < image.columns; column += 2) {
        indices.push_back((channel / 4 * image.rows + row) * image.columns + column);
      }
    }
  }
  return indices;
}

}  // namespace

template <typename T>
Reordering<T>::Reordering(const LayerReader& reader, std::vector<Index> indices)
    : ConstantJacobian<T>(reader), indices_(std::move(indices)) {}

template <typename T>
void Reordering<T>::apply(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T> source = this->scratch(tape, 0, rows.dim());
  std::copy_n(rows.row(0), rows.dim() * rows.stride(), source.row(0));
  for (Index i = 0; i < rows.dim(); ++i) {
    std::copy_n(source.row(indices_[static_cast<std::size_t>(i)]), rows.stride(), rows.row(i));
  }
}

template <typename T>
void Reordering<T>::solve(const Tape<T>& tape, Batch<T>& rows) const {
  Batch<T> source = this->scratch(tape, 0, rows.dim());
  std::copy_n(rows.row(0), rows.dim() * rows.stride(), source.row(0));
  for (Index i = 0; i < rows.dim(); ++i) {
    std::copy_n(source.row(i), rows.stride(), rows.row(indices_[static_cast<std::size_t>(i)]));
  }
}

// The inverse of an orthogonal matrix is its transpose.
template <typename T>
void Reordering<T>::apply_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  solve(tape, rows);
}

template <typename T>
void Reordering<T>::solve_transposed(const Tape<T>& tape, Batch<T>& rows) const {
  apply(tape, rows);
}

template <typename T>
Permutation<T>::Permutation(const LayerReader& reader)
    : Reordering<T>(reader, read_indices(reader)) {}

template <typename T>
Squeeze<T>::Squeeze(const LayerReader& reader) : Reordering<T>(reader, squeezed_indices(reader)) {}

template class Reordering<float>;
template class Reordering<double>;
template class Permutation<float>;
template class Permutation<double>;
template class Squeeze<float>;
template class Squeeze<double>;

}  // namespace flotilla
