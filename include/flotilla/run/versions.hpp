// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace flotilla {

/// The versions of this library and of what it runs with, by name: version, commit, compiler,
/// instruction set, MPI, HDF5, LibTorch. Loads LibTorch if it is installed. Not collective.
std::vector<std::pair<std::string, std::string>> versions();

}  // namespace flotilla
