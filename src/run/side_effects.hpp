// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <functional>

namespace flotilla {

/// What work of others did beside its work.
struct SideEffects {
  std::size_t printed = 0;  ///< bytes on standard output
  int threads = 0;          ///< threads that run now and did not before
};

/// Does the work, keeps back what it prints on standard output, and counts. Throws what it throws.
SideEffects watch_side_effects(const std::function<void()>& work);

}  // namespace flotilla
