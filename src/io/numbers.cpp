// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/numbers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "io/array.hpp"
#include "io/hdf5.hpp"

namespace flotilla {

std::vector<double> read_context(const ContextSource& source) {
  if (const auto* numbers = std::get_if<std::vector<double>>(&source)) return *numbers;
  const auto& location = std::get<Location>(source);
  Tensor tensor = read_numbers(location);
  if (tensor.shape.size() == 1) return std::move(tensor.values);
  throw InputError(fmt::format("{}: a context should be an array of shape [n] but has [{}]",
                               location.text(), fmt::join(tensor.shape, " x ")));
}

Tensor read_numbers(const Location& location) {
  const CrashSentence crash(hdf5::crash_sentence(location.path));
  const ArrayPlace place = find_array(location);
  try {
    double budget = kLargestArray;
    return read_array(place.file, place.dataset, budget);
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", place.path, hdf5::reason(error)));
  }
}

}  // namespace flotilla
