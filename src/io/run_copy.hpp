// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "io/run_file.hpp"

namespace flotilla {

/// Copies the start and the first draws of a run file into a longer one of the same run. Every rank
/// reads its own chains. Collective.
///
/// @param layout   of the longer one
/// @param so_far   draws to copy, of each chain
/// @throws InputError if the file is damaged, the same on every rank
template <typename T>
void copy_draws(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
                const DrawsSoFar& so_far, RunFile<T>& to);

}  // namespace flotilla
