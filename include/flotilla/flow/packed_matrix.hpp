#pragma once

#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// A constant matrix in the order in which the matrix product reads it: panels of kPanelRows rows,
/// each panel column by column. Packed once, when the flow is built, never per product.
template <typename T>
class PackedMatrix {
 public:
  static constexpr Index kPanelRows = 6;

  PackedMatrix() = default;

  /// @param values  [rows x cols] in C order
  PackedMatrix(Index rows, Index cols, const std::vector<double>& values);

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  /// Panel p holds rows p * kPanelRows ...: cols() groups of kPanelRows values, zeros past the end.
  const T* panel(Index p) const { return panels_.row(p); }

 private:
  Index rows_ = 0;
  Index cols_ = 0;
  Batch<T> panels_;
};

/// [rows x cols] in C order, transposed.
std::vector<double> transposed(Index rows, Index cols, const std::vector<double>& values);

}  // namespace flotilla
