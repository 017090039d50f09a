// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace flotilla {

/// From now on, if code of others crashes while it works for this program, the program ends with a
/// sentence that names what it worked on: HDF5 and its file, a density and its library. For
/// programs, not for libraries: handlers of signals are the process's.
void tell_crashes();

/// Where processes end together for one reason, the first of them says it: those that share this
/// flag in their memory. Each process has a flag of its own otherwise. LastWords shares one.
///
/// @param flag  0 at first, and outlives what may crash; null to have one's own again, unclaimed
void share_last_words(int* flag);

/// Whether this process may say why it ends: at most one of those that share a flag. The others
/// wait for a moment first, so that it is heard. Handlers of signals may call it.
bool claim_last_words();

}  // namespace flotilla
