// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla {

/// Stops HDF5 from printing its error stacks in this process: they travel in Hdf5Error. Once.
void silence_hdf5_errors();

}  // namespace flotilla
