// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/parallel/communicator.hpp"

namespace flotilla {

/// What a collective write into a folder, and reading it back, showed. The same on every rank.
struct WriteProbe {
  std::string fault;                  ///< in a sentence; empty if all bytes came back
  bool romio = false;                 ///< whether files of Open MPI go through ROMIO
  double bytes = 0.0;                 ///< of all ranks, written and read
  double write_seconds = kUndefined;  ///< to the disk
  double read_seconds = kUndefined;   ///< from the cache, perhaps
};

/// Writes a file into a folder with all ranks together, in pieces of odd sizes, and has every rank
/// read what another one wrote. The file is removed. Collective.
///
/// @param bytes  of each rank, about
WriteProbe probe_writes(const Communicator& comm, const std::string& folder, Index bytes);

}  // namespace flotilla
