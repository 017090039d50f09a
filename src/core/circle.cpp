// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/circle.hpp"

#include <fmt/format.h>

#include <sstream>

#include "flotilla/core/error.hpp"

namespace flotilla {

std::string circles_as_text(const std::vector<Circle>& circles) {
  std::string text;
  for (std::size_t i = 0; i < circles.size(); ++i) {
    const Circle& circle = circles[i];
    if (circle.is_line()) continue;
    text += fmt::format("{}{} {} {}", text.empty() ? "" : "; ", i, circle.low, circle.length);
  }
  return text;
}

std::vector<Circle> circles_from_text(const std::string& text, Index dim) {
  std::vector<Circle> circles(static_cast<std::size_t>(dim));
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ';');) {
    std::istringstream words(part);
    Index coordinate = -1;
    Circle circle;
    words >> coordinate >> circle.low >> circle.length;
    if (!words || coordinate < 0 || coordinate >= dim || !(circle.length > 0.0)) {
      throw InputError(
          fmt::format("expected circles as in '0 -3 6; 2 -1 2', coordinate, low and length, of {} "
                      "coordinates, found '{}'",
                      dim, text));
    }
    circles[static_cast<std::size_t>(coordinate)] = circle;
  }
  return circles;
}

}  // namespace flotilla
