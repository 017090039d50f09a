// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace flotilla {

/// Where an array of numbers lies: a file, and the dataset in it.
///
/// As text "FILE.h5:dataset", or "FILE.h5" for the only dataset of a file. The text alone decides,
/// whatever files there are: one that ends in .h5 or .hdf5 is a file; in any other the last colon
/// stands before the dataset. So "pts:1.h5" is a file, and "FILE:" is one whatever its name is.
struct Location {
  std::string path;
  std::string dataset;  ///< "group/name"; empty: the only one of the file

  static Location parse(std::string_view text);

  /// parse() gives the same location back, where the dataset's own name does not end in .h5 or
  /// .hdf5.
  std::string text() const;
  bool empty() const { return path.empty(); }

  bool operator==(const Location&) const = default;
};

/// The context of a conditional flow as somebody gives it: the numbers, or where they lie. None are
/// given where it is an empty list.
using ContextSource = std::variant<std::vector<double>, Location>;

/// Numbers between commas, as in "0.5,-1"; anything else is the place of an array.
ContextSource parse_context(std::string_view text);

}  // namespace flotilla
