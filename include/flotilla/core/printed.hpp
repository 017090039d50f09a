// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace flotilla {

/// How people are told a figure.
enum class Print {
  kGeneral,  ///< 0.01235
  kRatio,    ///< 1.0123
  kRate,     ///< 0.574
  kCount,    ///< 12346, from a million on 1.23e+06
  kSeconds,  ///< 3.21 s
  kPercent,  ///< 87.4 %, of a share in [0, 1]
};

/// The figure as text; "-" where it is not defined.
std::string printed(double value, Print how);

}  // namespace flotilla
