// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// The circle of points [low, low + length), whose ends are one point. Length 0 stands for a line.
struct Circle {
  double low = 0.0;
  double length = 0.0;

  bool is_line() const { return length == 0.0; }

  /// The point of the circle that x is. A point that is there already keeps its bits.
  /// @pre !is_line()
  double wrapped(double x) const { return x - length * std::floor((x - low) / length); }

  /// x - y the short way round, in [-length / 2, length / 2]; on a line the difference itself.
  double gap(double x, double y) const {
    const double gap = x - y;
    return is_line() ? gap : gap - length * std::nearbyint(gap / length);
  }

  bool operator==(const Circle&) const = default;
};

/// "0 -3 6; 2 -1 2": coordinate, low and length of those on circles; empty if all are on lines.
/// @param circles  of each coordinate, or none
std::string circles_as_text(const std::vector<Circle>& circles);

/// The circles of a text of circles_as_text(), one for each coordinate.
/// @throws InputError if the text is none, or names a coordinate that is not below dim
std::vector<Circle> circles_from_text(const std::string& text, Index dim);

}  // namespace flotilla
