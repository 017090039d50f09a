// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads an array of numbers from HDF5. @throws InputError
Tensor read_numbers(const Location& location);

/// The numbers of a context [context_dim].
/// @throws InputError as read_numbers() does, or where the array is no vector
std::vector<double> read_context(const ContextSource& source);

}  // namespace flotilla
