#pragma once

#include <string>
#include <vector>

#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads an array of numbers from HDF5: "FILE.h5" with one dataset, or "FILE.h5:dataset".
/// @throws InputError
Tensor read_numbers(const std::string& location);

/// The context that a text means: numbers between commas ("0.5,-1"), or as read_numbers() has it
/// the place of an array [context_dim].
/// @throws InputError as read_numbers() does, or where the array is no vector
std::vector<double> read_context(const std::string& text);

}  // namespace flotilla
