// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Points in data space, from an array or from a run file: a location without a dataset may name
// either.

#include <functional>

#include "flotilla/core/location.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// Reads an array of numbers, or of a run file the last complete draw of every chain,
/// [chains x dim]. Not collective.
/// @throws InputError as read_numbers() does, or if the run has no draws yet
Tensor read_points(const Location& location);

/// Calls `visit` with all points of an array [n x dim], or with all complete draws of a run file,
/// block by block: rows [count x dim] in C order. Not collective.
/// @throws InputError if there are none, or the file cannot be used
void read_point_blocks(
    const Location& location,
    const std::function<void(const double* rows, Index count, Index dim)>& visit);

}  // namespace flotilla
