// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

namespace flotilla {

/// What this library was built from and with; every run file records it.
struct BuildFacts {
  std::string_view version;     ///< of the library, as in "0.2.0"
  std::string_view git_commit;  ///< full hash, "-dirty" behind it where the tree had changes
  std::string_view compiler;
  std::string_view flags;
  std::string_view instruction_set;  ///< that the kernels use: with it and the compiler go the bits
};

BuildFacts build_facts();

}  // namespace flotilla
