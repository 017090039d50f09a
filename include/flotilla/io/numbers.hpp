// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads an array of numbers from an HDF5 file. Not collective.
/// @throws InputError if there is no such array, or it does not hold numbers
Tensor read_numbers(const Location& location);

/// The numbers of a context, [context_dim]. Not collective.
/// @throws InputError as read_numbers() does, or if the array is not one-dimensional
std::vector<double> read_context(const ContextSource& source);

}  // namespace flotilla
