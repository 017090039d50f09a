// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla {

/// Stops HDF5 from printing error stacks in this process: Hdf5Error carries them. Call it once.
void silence_hdf5_errors();

/// From now on, if HDF5 crashes while a file is read, the program ends with a sentence that names
/// the file, and exit code 2. For programs, not for libraries: handlers of signals are the
/// process's.
void tell_hdf5_crashes();

}  // namespace flotilla
