// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/target/observation.hpp"

namespace flotilla {

/// Reads an observation from an HDF5 file. What its arrays hold is checked by likelihood(). Not
/// collective.
///
/// @throws InputError if the file cannot be read, or an array does not hold numbers
Observation read_observation(const std::string& path);

}  // namespace flotilla
