// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace flotilla::test {

/// How often any form of operator new was called so far in this process, by any thread. A program
/// that links the test support counts all of its own calls and those of the library.
///
/// Memory from malloc itself is not counted: Batch, std::vector and std::shared_ptr, the only
/// owners of memory in the library's hot path, all use operator new.
std::uint64_t allocations();

}  // namespace flotilla::test
