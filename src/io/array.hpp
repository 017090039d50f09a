// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"
#include "io/hdf5.hpp"

namespace flotilla {

/// Largest number of values in an array. No flow has more, and a header that lies is refused before
/// memory runs out.
inline constexpr double kLargestArray = 1e9;

/// Where an array of numbers is.
struct ArrayPlace {
  std::string path;
  hdf5::File file;
  std::string dataset;  ///< the given name, or that of the file's only entry
};

/// @throws InputError if there is no such file, or the entry is ambiguous
ArrayPlace find_array(const Location& location);

/// @param budget  number of values that may still be read; reduced by this array's size
/// @throws InputError if the array does not hold numbers, exceeds the budget, or has fewer values
/// than its header says; Hdf5Error
Tensor read_array(const hdf5::Group& parent, const std::string& name, double& budget);

/// An array of numbers [rows x columns] that need not fit in memory. Not collective: every rank
/// opens the file for itself.
class RowReader {
 public:
  /// @throws InputError if there is no such array
  explicit RowReader(const Location& location);

  Index rows() const { return rows_; }
  Index columns() const { return columns_; }

  /// @param out  [count x columns], in C order @throws InputError if the file is damaged
  void read(Index first, Index count, double* out) const;

 private:
  std::string path_;
  hdf5::File file_;
  hdf5::Dataset dataset_;
  Index rows_ = 0;
  Index columns_ = 0;
};

}  // namespace flotilla
