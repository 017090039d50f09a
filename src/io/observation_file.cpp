// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/observation_file.hpp"

#include <fmt/format.h>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "io/array.hpp"

namespace flotilla {

Observation read_observation(const std::string& path) {
  const CrashSentence crash(hdf5::crash_sentence(path));
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  Observation observation{path, {}};
  try {
    const hdf5::File file = hdf5::File::open(path);
    double budget = kLargestArray;
    for (const char* const name : {"y", "noise", "operator", "indices"}) {
      if (file.has(name)) observation.arrays[name] = read_array(file, name, budget);
    }
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: no usable observation: {}", path, hdf5::reason(error)));
  }
  return observation;
}

}  // namespace flotilla
