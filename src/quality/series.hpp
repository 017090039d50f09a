// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "flotilla/diagnostics/quantity.hpp"
#include "flotilla/io/run_reader.hpp"
#include "io/run_slabs.hpp"

namespace flotilla {

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
