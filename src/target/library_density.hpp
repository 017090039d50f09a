// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>

#include "flotilla/target/density.hpp"
#include "target/shared_library.hpp"

namespace flotilla {

/// Opens a density of a library with the interface of flotilla/target/log_density.h.
/// @throws InputError if the library is of another version, lacks a function, or refuses
std::unique_ptr<Density> open_library_density(const SharedLibrary& library,
                                              const std::string& arguments);

}  // namespace flotilla
