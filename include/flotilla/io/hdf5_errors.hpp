// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla {

/// Stops HDF5 from printing error stacks in this process: Hdf5Error carries them. Call it once.
void silence_hdf5_errors();

}  // namespace flotilla
