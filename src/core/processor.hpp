// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>

namespace flotilla {

// A binary for one instruction set ends with SIGILL on a processor that lacks it, at the first
// vector instruction. So the library looks before any other of its code runs, static initialisers
// included. What looks is compiled for every x86-64 processor, and calls nothing that another part
// of the library might have compiled for less: no inline function, no template.

/// The features that the library was compiled for, by the compilers' names ("avx2"); a null ends
/// them. None on other processors than x86-64.
extern const char* const kNeededFeatures[];

/// The same. What calls it also links what looks at the processor.
const char* const* needed_features();

/// Whether this processor has a feature, and the operating system saves its registers. False for a
/// name that is not in the table.
bool processor_has(const char* feature);

/// Writes the sentence that tells of needed features that are not there. Returns its length; 0 if
/// nothing is missing.
///
/// @param needed  as kNeededFeatures
/// @param text    of `room` bytes; a longer sentence is cut
std::size_t tell_missing_features(const char* const* needed, bool (*has)(const char*), char* text,
                                  std::size_t room);

}  // namespace flotilla
