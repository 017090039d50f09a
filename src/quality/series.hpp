// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flotilla/diagnostics/chain_draws.hpp"
#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/io/run_reader.hpp"
#include "io/run_slabs.hpp"

namespace flotilla {

/// "x[3]", "L[0,1]", or the bare name of a number.
std::string coordinate_name(const RunVariable& variable, Index coordinate);

/// The circle of a coordinate; a line if the run records none.
Circle circle_of(const RunVariable& variable, Index coordinate);

/// Calls `visit` with all complete draws of each coordinate in turn. Not collective.
/// @throws Hdf5Error
void for_each_coordinate(const RunReader& reader, const RunVariable& variable,
                         CoordinateRange range,
                         const std::function<void(const ChainDraws&)>& visit);

/// Summaries of coordinates of a variable of a run file. Not collective.
///
/// @param exact  true: all their draws are held in memory at once; false: they are read chain by
///               chain, three times or more, in bounded memory
/// @throws Hdf5Error
std::vector<QuantitySummary> summarise_coordinates(const RunReader& reader,
                                                   const RunVariable& variable,
                                                   CoordinateRange range, Index superchains,
                                                   bool exact);

}  // namespace flotilla
