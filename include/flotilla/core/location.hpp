// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace flotilla {

/// Where an array of numbers lies: a file, and the dataset in it.
///
/// Its text is "FILE.h5:dataset", or "FILE.h5" if the file has only one dataset. Parsing looks at
/// the text alone, never at the disk. A text that ends in .h5 or .hdf5 is a file. In any other text
/// the last colon separates file and dataset. So "pts:1.h5" is a file, and "FILE:" is the file
/// FILE, whatever its name.
struct Location {
  std::string path;     ///< of the file
  std::string dataset;  ///< "group/name"; empty: the only one of the file

  /// Reads a location from its text. Never fails.
  static Location parse(std::string_view text);

  /// The location as text. parse() turns it back into the same location, unless the dataset's name
  /// ends in .h5 or .hdf5.
  std::string text() const;
  bool empty() const { return path.empty(); }

  bool operator==(const Location&) const = default;
};

/// The context of a conditional flow: its numbers, or the location of an array that holds them. An
/// empty list means that no context is given.
using ContextSource = std::variant<std::vector<double>, Location>;

/// Parses numbers separated by commas, as in "0.5,-1". Any other text is the location of an array.
ContextSource parse_context(std::string_view text);

}  // namespace flotilla
