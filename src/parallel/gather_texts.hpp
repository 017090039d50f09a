// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// The texts of all ranks, in rank order, on rank 0; nothing on the others. Collective.
/// @pre together they have fewer than 2^31 bytes
/// @throws MpiError
std::vector<std::string> gather_texts(const Communicator& comm, const std::string& text);

}  // namespace flotilla
