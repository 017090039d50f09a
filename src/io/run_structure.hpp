// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/io/run_reader.hpp"

namespace flotilla {

/// How the values of a variable lie in the file.
enum class Stored { kFloat, kDouble, kFlag };

/// Where the checksums of a variable stand.
struct ChecksumColumn {
  std::shared_ptr<const hdf5::Dataset> table;  ///< [block x tile x variable]
  Index column = 0;
  Index columns = 1;
};

/// A variable with chains and draws, as it lies in a run file.
struct StoredVariable {
  std::string name;      ///< with its group: "posterior/x"
  RunVariable variable;  ///< its draws are the complete ones
  Stored stored = Stored::kDouble;
  bool may_be_nan = false;                  ///< what a density derives
  Index block_draws = 1;                    ///< of a block of checksums, or else of a chunk
  Index tile_chains = 1;                    ///< likewise
  std::optional<ChecksumColumn> checksums;  ///< none in files from before there were any
};

/// What a run file consists of, and where that is not what it should be.
struct RunStructure {
  std::vector<std::string> faults;        ///< a sentence each, which begins with the place
  std::vector<StoredVariable> variables;  ///< those that can be read
  bool complete = false;                  ///< says the file
  Index chains = 0;
  Index draws = 0;  ///< of each chain, complete
  Index room = 0;   ///< draws of each chain that the file has room for
  int groups = 0;   ///< that hold draws
  bool checksums = false;
};

/// Looks at groups, datasets, shapes, types, attributes, coordinates and counts of a run file.
/// Dimension scales are looked for but not followed: their lists lie in the file's global heap.
/// Not collective. @throws InputError if another program made the file
RunStructure look_at_structure(const RunReader& run);

}  // namespace flotilla
