// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/parallel/communicator.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::test {

/// The path of a file in rank 0's scratch directory, for all ranks. Collective.
inline std::string shared_file(const Communicator& world, const ScratchDirectory& directory,
                               const std::string& name) {
  std::string path = directory.file(name);
  world.broadcast(path);
  return path;
}

}  // namespace flotilla::test
