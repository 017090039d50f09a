// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"
#include "io/hdf5.hpp"

namespace flotilla {

/// Values that an array may have: more than any flow's, few enough to refuse a header that lies
/// before memory is gone.
inline constexpr double kLargestArray = 1e9;

/// Where an array of numbers is.
struct ArrayPlace {
  std::string path;
  hdf5::File file;
  std::string dataset;  ///< the name that was given, or that of the file's only entry
};

/// @throws InputError where there is no such file, or nobody says which of its entries is meant
ArrayPlace find_array(const Location& location);

/// @param budget  values that may still be read; lowered by what this array holds
/// @throws InputError where it does not hold numbers, or more than the budget has, or fewer than
///         its header says; Hdf5Error
Tensor read_array(const hdf5::Group& parent, const std::string& name, double& budget);

/// An array of numbers [rows x columns] that need not fit in memory. Not collective: every rank
/// opens it for itself.
class RowReader {
 public:
  /// @throws InputError where there is no such array
  explicit RowReader(const Location& location);

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }

  /// @param out  [count x columns], in C order @throws Hdf5Error
  void read(Index first, Index count, double* out) const;

 private:
  hdf5::File file_;
  hdf5::Dataset dataset_;
  Index rows_ = 0;
  Index columns_ = 0;
};

}  // namespace flotilla
