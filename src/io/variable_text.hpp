// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "io/hdf5.hpp"

namespace flotilla::hdf5 {

/// Reads an attribute that is one text of variable length, as h5py writes it, without HDF5's global
/// heap: HDF5 1.10 trusts the sizes there, and a file in which they are wrong makes it crash.
///
/// @param attribute  open, of variable length, with a single value
/// @param most       longest text that is read [bytes]
/// @throws InputError if what the file holds is no such text; Hdf5Error
std::string read_variable_text(hid_t attribute, std::size_t most);

}  // namespace flotilla::hdf5
