// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

namespace flotilla {

/// The seconds of a duration as people and batch systems write it: "55m", "1h30m", "2d", "90s",
/// "HH:MM:SS", "D-HH:MM:SS". None if it is no positive duration of this kind.
std::optional<double> seconds_of(const std::string& duration);

}  // namespace flotilla
