// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A conditioner as its passes read it: its program, and its arrays packed for the processor.

#include <vector>

#include "flow/conditioner/blueprint.hpp"
#include "flow/conditioner/packed_convolution.hpp"
#include "flow/matrix/packed_matrix.hpp"

namespace flotilla {

/// Rows of a linear map that are computed together, from their first column on. For a convolution:
/// all rows.
template <typename T>
struct PackedPart {
  PackedMatrix<T> matrix;
  Index first_row = 0;
  Index first_col = 0;
  PackedConvolution<T> convolution = {};  ///< on images, in place of the matrix
};

/// In place of a slice: all of a linear map or of a pass.
inline constexpr Index kWhole = -1;

template <typename T>
struct PackedLinear {
  /// The rows of a slice, or all rows for kWhole.
  const PackedPart<T>& part(Index slice) const {
    return slice == kWhole ? whole : slices[static_cast<std::size_t>(slice)];
  }
  const PackedPart<T>& transposed_part(Index slice) const {
    return slice == kWhole ? whole_transposed : slices_transposed[static_cast<std::size_t>(slice)];
  }

  PackedPart<T> whole;
  PackedPart<T> whole_transposed;
  std::vector<PackedPart<T>> slices;             ///< [d]: rows of degree d
  std::vector<PackedPart<T>> slices_transposed;  ///< [d]: inputs of degree d
  std::vector<T> bias;                           ///< [units]
  Index multiply_adds = 0;
};

/// Scale and shift of each unit.
template <typename T>
struct PackedNorm {
  std::vector<T> scale;
  std::vector<T> shift;
};

template <typename T>
struct PackedNetwork {
  explicit PackedNetwork(const Blueprint& blueprint);

  /// The number of rows that a part computes.
  Index rows_of(const PackedPart<T>& part) const;
  bool is_last(std::size_t linear) const { return linear + 1 == linears.size(); }

  bool on_image;  ///< whether linear maps are convolutions
  std::vector<Operation> program;
  std::vector<PackedLinear<T>> linears;
  std::vector<PackedNorm<T>> norms;
  std::vector<std::vector<T>> sines;  ///< of each unit: 1 where it takes its sine, else 0
  T slope;                            ///< of leaky_relu
  T alpha;                            ///< of elu
  T epsilon;                          ///< of layer_norm
};

}  // namespace flotilla
