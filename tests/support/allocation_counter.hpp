// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace flotilla::test {

/// The number of calls of any operator new in this process so far, by any thread. In a program that
/// links the test support, it counts the program's calls and those of the library.
///
/// Calls of malloc itself are not counted. All owners of memory in the library's hot path (Batch,
/// std::vector and std::shared_ptr) use operator new.
std::uint64_t allocations();

}  // namespace flotilla::test
