// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace flotilla {

/// What this library is and stands on, by name: version, commit, compiler, instruction set, and the
/// versions of MPI, HDF5 and LibTorch that it runs with. Loads LibTorch where there is one.
std::vector<std::pair<std::string, std::string>> versions();

}  // namespace flotilla
