// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/core/location.hpp"

#include <charconv>

namespace flotilla {

Location Location::parse(std::string_view text) {
  const bool is_file = text.ends_with(".h5") || text.ends_with(".hdf5");
  const std::size_t colon = is_file ? std::string_view::npos : text.rfind(':');
  if (colon == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string Location::text() const {
  const bool colon = !dataset.empty() || parse(path).path != path;
  return colon ? path + ":" + dataset : path;
}

ContextSource parse_context(std::string_view text) {
  if (text.empty()) return {};
  std::vector<double> numbers;
  const char* const end = text.data() + text.size();
  for (const char* place = text.data();; ++place) {
    double number = 0.0;
    const auto [rest, error] = std::from_chars(place, end, number);
    if (error != std::errc() || (rest != end && *rest != ',')) return Location::parse(text);
    numbers.push_back(number);
    if (rest == end) return numbers;
    place = rest;
  }
}

}  // namespace flotilla
