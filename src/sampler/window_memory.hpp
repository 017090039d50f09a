// SPDX-License-Identifier: BSD-3-Clause
// How long adaptations remember the windows of warm-up.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flotilla {

/// The factor that takes the sums over earlier windows to the next one, which counts in full. A
/// window's weight halves while the number of windows doubles, up to 200 windows.
/// @param windows  used so far, with the next one
inline double kept_of_windows(std::uint64_t windows) {
  return 1.0 - 1.0 / (1.0 + std::min(0.5 * static_cast<double>(windows), 200.0));
}

}  // namespace flotilla
