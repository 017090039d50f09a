// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

namespace flotilla {

/// What this library was built from and with. Every run file records it.
struct BuildFacts {
  std::string_view version;     ///< version of the library, as in "0.2.0"
  std::string_view git_commit;  ///< full hash; "-dirty" is appended if the tree had changes
  std::string_view compiler;
  std::string_view flags;
  std::string_view instruction_set;  ///< of the kernels: it and the compiler decide the bits
  std::string_view features;         ///< of the processor that it needs: "avx2 fma"
};

/// The facts of this build. Not collective.
BuildFacts build_facts();

}  // namespace flotilla
