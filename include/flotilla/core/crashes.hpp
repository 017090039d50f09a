// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla {

/// From now on, if code of others crashes while it works for this program, the program ends with a
/// sentence that names what it worked on: HDF5 and its file, a density and its library. For
/// programs, not for libraries: handlers of signals are the process's.
void tell_crashes();

}  // namespace flotilla
