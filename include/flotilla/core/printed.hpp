// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

namespace flotilla {

/// The format in which a figure is printed.
enum class Print {
  kGeneral,  ///< 0.01235
  kRatio,    ///< 1.0123
  kRate,     ///< 0.574
  kCount,    ///< 12346; from a million on 1.23e+06
  kSeconds,  ///< 3.21 s
  kPercent,  ///< 87.4 %; the value is a share in [0, 1]
};

/// Formats a figure; "-" if it is NaN.
std::string printed(double value, Print how);

/// A text that may have come from anywhere, as it can be shown: what would steer a terminal, and
/// bytes that are no UTF-8, become "\x1b" and the like. Line breaks and tabs stay.
std::string printable(std::string_view text);

}  // namespace flotilla
