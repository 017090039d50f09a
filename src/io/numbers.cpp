#include "flotilla/io/numbers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <utility>

#include "flotilla/core/error.hpp"
#include "io/array.hpp"

namespace flotilla {

std::vector<double> read_context(const std::string& text) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    char* rest = nullptr;
    numbers.push_back(std::strtod(word.c_str(), &rest));
    if (word.empty() || *rest != '\0') break;
    if (end == text.size()) return numbers;
    begin = end + 1;
  }
  Tensor tensor = read_numbers(text);
  if (tensor.shape.size() == 1) return std::move(tensor.values);
  throw InputError(fmt::format("{}: a context should be an array of shape [n] but has [{}]", text,
                               fmt::join(tensor.shape, " x ")));
}

Tensor read_numbers(const std::string& location) {
  const ArrayPlace place = find_array(location);
  try {
    double budget = kLargestArray;
    return read_array(place.file, place.dataset, budget);
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", place.path, error.what()));
  }
}

}  // namespace flotilla
