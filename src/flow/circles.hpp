// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/core/circle.hpp"
#include "flotilla/flow/record.hpp"

namespace flotilla {

/// The circle of each coordinate of z: those of the base density.
/// @throws InputError if the record of the base density is not right
std::vector<Circle> latent_circles(const FlowRecord& record);

/// The circle of each coordinate of x: those of z, as far as every layer takes them to circles. A
/// coordinate that a layer of another kind moves counts as one on a line.
/// @throws InputError if a record is not right
std::vector<Circle> data_circles(const FlowRecord& record);

}  // namespace flotilla
