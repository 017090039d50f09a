// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "io/run_structure.hpp"

namespace flotilla {

/// What is wrong with a block of draws.
enum class BlockFaultKind {
  kChanged,     ///< the bytes are not those that were written
  kUnchecked,   ///< committed draws lack a checksum
  kImpossible,  ///< the entry speaks of more draws than a block has
  kMissing,     ///< committed draws read as missing
  kUnreadable,
};

/// A block of one variable that is not what it should be.
struct BlockFault {
  Index variable = 0;  ///< of RunStructure::variables
  BlockFaultKind kind = BlockFaultKind::kChanged;
  Index first_chain = 0;
  Index chains = 0;
  Index first_draw = 0;
  Index draws = 0;
};

/// "posterior/x, chains 64 to 127, draws 0 to 99: the bytes are not those that were written".
std::string text_of(const BlockFault& fault, const RunStructure& structure);

/// What a rank found in its share of the blocks.
struct BlockFindings {
  Index checksums = 0;  ///< compared
  double bytes = 0.0;   ///< read
  std::vector<BlockFault> faults;
};

/// Reads all committed draws of every share-th tile, and compares them with their checksums;
/// without checksums, looks for draws that are missing. Not collective.
BlockFindings look_at_blocks(const RunReader& run, const RunStructure& structure, Index first_tile,
                             Index share);

}  // namespace flotilla
